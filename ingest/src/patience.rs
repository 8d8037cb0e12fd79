//! How long the sender of a transaction waits for its score, by what it says in its request.

use crate::{config::Settings, problem::Refusal};
use axum::extract::Query;
use http::{HeaderMap, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Query parameters of a transaction.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Parameters {
    /// How long to wait for the score.
    timeout_ms: Option<u64>,
}

/// How long the sender of a transaction waits for its score; `None` when it does not want to (`Prefer: respond-async`, RFC 7240).
pub(crate) fn patience(uri: &Uri, headers: &HeaderMap, settings: &Settings) -> Result<Option<Duration>, Refusal> {
    let Query(Parameters { timeout_ms }) =
        Query::try_from_uri(uri).map_err(|rejection| Refusal::Parameter(rejection.body_text()))?;
    let config = &settings.config;
    let (asked, max) = (timeout_ms.unwrap_or(config.score_timeout_ms), config.score_timeout_max_ms);
    if !(1..=max).contains(&asked) {
        return Err(Refusal::Parameter(format!("timeout_ms is {asked}; it must be from 1 to {max}")));
    }
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut tokens = preferences.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let is_async = tokens.any(|token| token.eq_ignore_ascii_case("respond-async"));
    Ok((!is_async).then(|| Duration::from_millis(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewayConfig;
    use http::HeaderValue;

    #[test]
    fn a_client_says_how_long_it_waits() {
        let settings = Settings::new(GatewayConfig::default()).expect("defaults");
        let asked = |uri: &'static str, prefer: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(prefer));
            patience(&Uri::from_static(uri), &headers, &settings)
        };
        assert_eq!(asked("/api/v1/transactions", ""), Ok(Some(Duration::from_millis(200))));
        assert_eq!(asked("/api/v1/transactions?timeout_ms=1500&x=1", "wait=5"), Ok(Some(Duration::from_millis(1_500))));
        assert_eq!(asked("/api/v1/transactions", "wait=5, respond-async"), Ok(None));
        for bad in ["/?timeout_ms=0", "/?timeout_ms=10001", "/?timeout_ms=soon", "/?timeout_ms=-1", "/?timeout_ms="] {
            assert!(matches!(asked(bad, ""), Err(Refusal::Parameter(_))), "{bad}");
        }
    }
}
