//! The cookies that negotiations set.

use std::time::{Duration, SystemTime};

use hyper::header::{self, HeaderMap, HeaderValue};

/// Two that last and one that has expired. Over HTTPS pages of other sites may send them.
pub(crate) fn set(is_secure: bool, headers: &mut HeaderMap) {
    let an_hour_ago = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(3600));
    let expired = format!("expiredCookie=doesntmatter; path=/; expires={an_hour_ago}");
    for cookie in ["testCookie=testValue; path=/", "testCookie2=testValue2; path=/", &expired] {
        let cookie = format!("{cookie}{}", if is_secure { "; secure; samesite=none; partitioned" } else { "" });
        headers.extend(HeaderValue::try_from(cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
    }
}
