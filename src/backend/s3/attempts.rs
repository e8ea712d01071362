//! Repeating a request: how often, after which pause, and when it may be done at all.

use std::time::Duration;

use super::error::{Ended, Failure};
use crate::backend::BackendError;
use crate::clock::Clock;

const MOST: u32 = 3;
/// The pause before the second attempt, at the most; before each further one it is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// For what can be done twice.
pub async fn harmless<T, F>(clock: &dyn Clock, request: impl Fn() -> F) -> Result<T, Ended>
where
    F: Future<Output = Result<T, Failure>>,
{
    repeated(clock, request, |failure| matches!(failure, Failure::Refused(_) | Failure::Unknown(_))).await
}

/// For what must not be done twice: repeated only when the service has said that it did nothing.
pub async fn without_effect<T, F>(clock: &dyn Clock, request: impl Fn() -> F) -> Result<T, BackendError>
where
    F: Future<Output = Result<T, Failure>>,
{
    Ok(repeated(clock, request, |failure| matches!(failure, Failure::Refused(_))).await?)
}

async fn repeated<T, F>(
    clock: &dyn Clock,
    request: impl Fn() -> F,
    again: impl Fn(&Failure) -> bool,
) -> Result<T, Ended>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut attempt = 1;
    loop {
        match request().await {
            Ok(result) => return Ok(result),
            Err(failure) if attempt < MOST && again(&failure) => {
                tokio::time::sleep(pause(attempt, clock.random())).await;
                attempt += 1;
            }
            Err(failure) => return Err(failure.ended()),
        }
    }
}

/// Between half of the longest pause and all of it, so that those who were refused together do not come together again.
fn pause(attempt: u32, random: u128) -> Duration {
    let longest = PAUSE * 2_u32.pow(attempt - 1);
    longest.mul_f64(0.5 + (random % 1_000) as f64 / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_differ() {
        assert_eq!(pause(1, 0), Duration::from_millis(50));
        assert_eq!(pause(1, 999), Duration::from_micros(99_950));
        assert_eq!(pause(2, 0), Duration::from_millis(100));
        assert_eq!(pause(2, 500), Duration::from_millis(150));
    }
}
