//! Who may connect.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use subtle::ConstantTimeEq;

use crate::config::Credentials;
use crate::exception::{Exception, code};
use crate::request::{text_header, url_pairs};

/// Lets a request in or says why not.
///
/// With credentials configured they must match, given as headers, basic authorisation or URL parameters. Without, the
/// endpoint is for this machine only, and what a web page makes a browser send is not let in: a page of another origin,
/// or one whose host name was made to point here.
pub(crate) fn check(parts: &Parts, configured: Option<&Credentials>) -> Result<(), Exception> {
    let Some(configured) = configured else { return check_origin(parts) };
    let Some((user, password)) = given(parts)? else {
        return Err(Exception::new(code::REQUIRED_PASSWORD, "a user and a password are required"));
    };
    let same = |a: &str, b: &str| a.as_bytes().ct_eq(b.as_bytes());
    if bool::from(same(&user, &configured.user) & same(&password, configured.password.expose())) {
        return Ok(());
    }
    let what = format!(
        "{}: Authentication failed: password is incorrect, or there is no user with such name",
        user.chars().take(64).collect::<String>().escape_default()
    );
    Err(Exception::new(code::AUTHENTICATION_FAILED, what))
}

fn given(parts: &Parts) -> Result<Option<(String, String)>, Exception> {
    let header = |name| text_header(&parts.headers, name).map(str::to_owned);
    let (user, password) = (header("x-clickhouse-user"), header("x-clickhouse-key"));
    if user.is_some() || password.is_some() {
        return Ok(Some((user.unwrap_or_else(default_user), password.unwrap_or_default())));
    }
    if let Some(authorization) = header(AUTHORIZATION.as_str()) {
        let basic = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let decoded = basic.and_then(|(_, text)| String::from_utf8(BASE64_STANDARD.decode(text.trim()).ok()?).ok());
        let pair = decoded
            .and_then(|text| text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned())));
        return pair
            .map(Some)
            .ok_or_else(|| Exception::new(code::AUTHENTICATION_FAILED, "only Basic authorization is supported"));
    }
    let pairs = url_pairs(parts);
    let url = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (user, password) = (url("user"), url("password"));
    Ok((user.is_some() || password.is_some())
        .then(|| (user.unwrap_or_else(default_user), password.unwrap_or_default())))
}

fn default_user() -> String {
    "default".to_owned()
}

fn check_origin(parts: &Parts) -> Result<(), Exception> {
    let host = text_header(&parts.headers, HOST.as_str());
    if let Some(host) = host.filter(|host| !is_local(host)) {
        let what = format!(
            "the host name '{}' is not this machine's; set a user and password to be reached by it",
            host.escape_default()
        );
        return Err(Exception::new(code::ACCESS_DENIED, what));
    }
    let origin = text_header(&parts.headers, ORIGIN.as_str());
    match origin.map(|origin| origin.split_once("://").map_or(origin, |(_, authority)| authority)) {
        Some(origin) if !is_local(origin) => Err(Exception::new(
            code::ACCESS_DENIED,
            "requests from web pages of other origins need a user and password",
        )),
        _ => Ok(()),
    }
}

/// Whether an authority (`host[:port]`) names this machine.
fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str, headers: &[(&str, &str)]) -> Parts {
        let builder =
            headers.iter().fold(http::Request::builder().uri(url), |b, (name, value)| b.header(*name, *value));
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn credentials_are_taken_from_headers_basic_or_url() {
        let configured = Credentials { user: "reader".into(), password: "a:b".into() };
        let code = |url, headers: &[_]| check(&parts(url, headers), Some(&configured)).err().map(|e| e.code());
        assert_eq!(code("/", &[("x-clickhouse-user", "reader"), ("x-clickhouse-key", "a:b")]), None);
        assert_eq!(code("/", &[("authorization", "Basic cmVhZGVyOmE6Yg==")]), None);
        assert_eq!(code("/?user=reader&password=a%3Ab", &[]), None);
        assert_eq!(code("/", &[]), Some(194));
        assert_eq!(code("/", &[("x-clickhouse-user", "reader")]), Some(516));
        assert_eq!(code("/?user=reader&password=x", &[]), Some(516));
        assert_eq!(code("/", &[("authorization", "Bearer x")]), Some(516));
    }

    #[test]
    fn without_credentials_web_pages_and_foreign_names_stay_out() {
        let code = |headers: &[_]| check(&parts("/", headers), None).err().map(|e| e.code());
        assert_eq!(code(&[("host", "localhost:8123")]), None);
        assert_eq!(code(&[("host", "[::1]:8123"), ("x-clickhouse-user", "anyone")]), None);
        assert_eq!(code(&[("host", "127.0.0.1:8123"), ("origin", "http://localhost:3000")]), None);
        assert_eq!(code(&[("host", "evil.example:8123")]), Some(497));
        assert_eq!(code(&[("host", "127.0.0.1:8123"), ("origin", "http://evil.example")]), Some(497));
        assert_eq!(code(&[("host", "127.0.0.1:8123"), ("origin", "null")]), Some(497));
    }
}
