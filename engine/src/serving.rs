//! Ports are served by threads of their own.
//!
//! A belt keeps its thread for as long as it computes, and a collector whose requests wait for that thread in the meantime
//! acknowledges late. So connections are accepted, read and answered, and events appended, by the few threads of a runtime of
//! their own. What the API does, stages included, is done by the tasks of the other one.
//!
//! There are half as many as processors: with more, each request wakes a thread that looks for work and finds none (on
//! two processors that is a tenth of the durable requests per second).

use std::num::NonZero;
use std::panic::resume_unwind;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// Starts the threads.
///
/// # Errors
/// Where the system has no thread left.
pub(crate) fn start() -> std::io::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .thread_name("granary-server")
        .enable_all()
        .build()
}

/// The same routes, whose requests are answered by tasks of `working`. Such a task ends with its connection.
pub(crate) fn elsewhere(routes: Router, working: Handle) -> Router {
    routes.layer(from_fn(move |request: Request, next: Next| {
        let answer = AbortOnDropHandle::new(working.spawn(next.run(request)));
        async move {
            match answer.await {
                Ok(response) => response,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The other runtime has ended before this one.
                    Err(_) => stopped(),
                },
            }
        }
    }))
}

fn stopped() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the engine has stopped, send it again later").into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tokio::sync::oneshot;
    use tower::ServiceExt as _;

    use super::*;

    fn request() -> Request {
        Request::new(Body::empty())
    }

    #[test]
    fn requests_are_answered_by_the_other_runtime_and_end_with_their_connection() {
        let working = Builder::new_multi_thread().worker_threads(1).thread_name("working").build().unwrap();
        let serving = start().unwrap();
        let (gone, mut ends) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<()>>();
        let routes = Router::new()
            .route("/", get(async || std::thread::current().name().unwrap_or_default().to_owned()))
            .fallback(async move || {
                // Its end is seen by the receiver.
                let (here, end) = oneshot::channel::<()>();
                let _ = gone.send(here);
                let _ = end.await;
            });
        let routes = elsewhere(routes, working.handle().clone());
        serving.block_on(async {
            let response = routes.clone().oneshot(request()).await.unwrap();
            assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "working");
            let mut endless = request();
            *endless.uri_mut() = "/endless".parse().unwrap();
            let waiting = tokio::spawn(routes.oneshot(endless));
            let mut here = ends.recv().await.unwrap();
            assert!(!here.is_closed());
            waiting.abort();
            tokio::time::timeout(Duration::from_secs(60), here.closed()).await.unwrap();
        });
    }
}
