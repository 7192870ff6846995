//! A belt that asks a server for the name that it writes, at the address of its variable `URL`.

use granary::http::Request;
use granary::{BeltError, Event, Update, config};

#[granary::belt]
fn execute(event: &Event) -> Result<Vec<Update>, BeltError> {
    let url = config::get("URL").ok_or_else(|| BeltError::new("no-url", "the variable URL is not set"))?;
    let answer = Request::post(&url).header("x-asked-by", "belt").body("Ada").timeout_ms(60_000).send()?;
    if !answer.is_success() {
        return Err(BeltError::new("no-name", format!("the server answered {}", answer.status())));
    }
    let row = serde_json::json!({
        "id": event.correlation_id()?,
        "firstName": answer.text(),
        "lastName": answer.header("x-answered-by"),
    });
    Ok(vec![Update::row("livesegment-dataoutp", &row)?])
}
