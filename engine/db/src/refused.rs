//! Writing a batch of which the database may refuse single rows.
//!
//! A batch goes out as one statement behind a savepoint. When the database refuses it for a reason that lies in the
//! data, the halves are tried, then their halves, until the refused rows stand alone; everything else is written. A
//! batch of `n` rows with one bad row costs about `2 log2 n` further statements.

use std::ops::Range;

use futures::future::{BoxFuture, join3};
use tokio_postgres::{Error, Transaction};

/// A row that the database does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch.
    pub index: usize,
    /// The code of the error, five characters.
    pub sqlstate: String,
    /// What the database says.
    pub message: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows inserted or updated.
    pub rows: u64,
    /// Rows that were refused, in the order of the batch.
    pub refused: Vec<Refused>,
}

/// A batch of rows, any part of which can be written with one statement.
pub(crate) trait Batch: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Writes the rows of that range and says how many it has written. It sends its statement when first polled and
    /// nothing before that.
    fn write<'a>(&'a self, tx: &'a Transaction<'_>, rows: Range<usize>) -> BoxFuture<'a, Result<u64, Error>>;
}

/// Writes all rows that the database takes, in order.
///
/// # Errors
///
/// What is no fault of a row, such as a lost connection or a missing table; the transaction is then of no further use.
pub(crate) async fn write(tx: &Transaction<'_>, batch: &impl Batch) -> Result<Written, Error> {
    let mut written = Written::default();
    let mut open = Vec::new();
    if batch.len() > 0 {
        open.push(0..batch.len());
    }
    while let Some(range) = open.pop() {
        match attempt(tx, batch, range.clone()).await {
            Ok(rows) => written.rows += rows,
            Err(error) if is_fault_of_a_row(&error) => {
                tx.batch_execute("ROLLBACK TO SAVEPOINT granary_rows; RELEASE SAVEPOINT granary_rows")
                    .await?;
                if range.len() == 1 {
                    written.refused.push(refused(range.start, &error));
                } else {
                    let middle = range.start + range.len() / 2;
                    // The left half is taken first: of two rows with one id, the later one has to win.
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// One try behind a savepoint. The three statements travel together; after a failed write the release fails too, and
/// the savepoint stays for the rollback.
async fn attempt(tx: &Transaction<'_>, batch: &impl Batch, range: Range<usize>) -> Result<u64, Error> {
    let (savepoint, rows, release) = join3(
        tx.batch_execute("SAVEPOINT granary_rows"),
        batch.write(tx, range),
        tx.batch_execute("RELEASE SAVEPOINT granary_rows"),
    )
    .await;
    savepoint?;
    let rows = rows?;
    release?;
    Ok(rows)
}

/// Whether another row could succeed where this one failed: the classes of data exceptions, violated constraints and
/// check options, exceeded limits of the program, and exceptions raised by a trigger.
fn is_fault_of_a_row(error: &Error) -> bool {
    let Some(state) = error.code() else {
        // Not an answer of the server. A value that cannot be sent is a fault of its row; all else is the connection.
        return error.to_string().starts_with("error serializing parameter");
    };
    matches!(state.code().get(..2), Some("22" | "23" | "44" | "54" | "P0"))
}

fn refused(index: usize, error: &Error) -> Refused {
    let Some(answer) = error.as_db_error() else {
        return Refused { index, sqlstate: "22000".to_owned(), message: error.to_string() };
    };
    let mut message = answer.message().to_owned();
    if let Some(detail) = answer.detail() {
        message.push_str(": ");
        message.push_str(detail);
    }
    Refused { index, sqlstate: answer.code().code().to_owned(), message }
}
