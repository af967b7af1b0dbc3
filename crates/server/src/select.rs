//! Which part of a representation a request selects: conditions (RFC 9110 §13) first, then the range (§14).
//!
//! `If-Match ─fails─▶ 412`, `If-None-Match ─matches─▶ 304`, `Range, unless If-Range fails ─▶ 206 or 416`, else 200.

use std::str::FromStr;

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, EntityTag, HeaderValue, IF_RANGE, IfMatch,
            IfNoneMatch, IfRange, RANGE, Range as RangeField,
        },
    },
};

use crate::problem::Problem;

/// What a request selects of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// 200.
    Whole,
    /// 206, the bytes from `start` up to, not including, `end`.
    Part { start: u64, end: u64 },
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
}

/// Applies the request's conditions and range to a representation with this tag and length.
pub(crate) fn select(request: &HttpRequest, tag: &EntityTag, length: u64) -> Selection {
    if let Some(condition) = request.get_header::<IfMatch>() {
        let holds = match condition {
            IfMatch::Any => true,
            IfMatch::Items(tags) => tags.iter().any(|other| other.strong_eq(tag)),
        };
        if !holds {
            return Selection::Failed;
        }
    }
    if let Some(condition) = request.get_header::<IfNoneMatch>() {
        let same = match condition {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|other| other.weak_eq(tag)),
        };
        if same {
            return Selection::NotModified;
        }
    }
    // A range is defined for GET alone.
    if request.method() == Method::GET && range_still_fits(request, tag) {
        range(request, length)
    } else {
        Selection::Whole
    }
}

/// There is no Last-Modified here, so an If-Range with a date never fits.
fn range_still_fits(request: &HttpRequest, tag: &EntityTag) -> bool {
    !request.headers().contains_key(IF_RANGE)
        || matches!(request.get_header::<IfRange>(), Some(IfRange::EntityTag(other)) if other.strong_eq(tag))
}

/// One range is honoured; several, or something else than bytes, get the whole, as RFC 9110 §14.2 allows.
fn range(request: &HttpRequest, length: u64) -> Selection {
    let mut fields = request.headers().get_all(RANGE);
    let (Some(field), None) = (fields.next(), fields.next()) else { return Selection::Whole };
    let parsed = field.to_str().ok().and_then(|text| RangeField::from_str(text).ok());
    let Some(RangeField::Bytes(parts)) = parsed else { return Selection::Whole };
    let [part] = parts.as_slice() else { return Selection::Whole };
    match part.to_satisfiable_range(length) {
        Some((first, last)) => Selection::Part { start: first, end: last + 1 },
        None => Selection::Unsatisfiable,
    }
}

/// Begins the response for a selection; the errors among them are whole already.
pub(crate) fn begin(
    selection: Selection,
    tag: &EntityTag,
    length: u64,
    content_type: &HeaderValue,
) -> Result<HttpResponseBuilder, Problem> {
    let mut response = match selection {
        Selection::Whole => HttpResponse::Ok(),
        Selection::Part { start, end } => {
            let mut response = HttpResponse::PartialContent();
            response.insert_header((CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1)));
            response
        }
        Selection::NotModified => HttpResponse::NotModified(),
        Selection::Failed => {
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "If-Match names another version"));
        }
        Selection::Unsatisfiable => {
            let detail = format!("the range lies beyond the {length} bytes there are");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            return Err(match HeaderValue::from_str(&format!("bytes */{length}")) {
                Ok(value) => problem.with(CONTENT_RANGE, value),
                Err(_) => problem,
            });
        }
    };
    response.insert_header((ETAG, tag.to_string())).insert_header((ACCEPT_RANGES, "bytes"));
    if selection != Selection::NotModified {
        response.insert_header((CONTENT_TYPE, content_type.clone()));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn selects(fields: &[(&'static str, &str)]) -> Selection {
        let request = fields
            .iter()
            .fold(TestRequest::get(), |request, field| request.append_header(*field))
            .to_http_request();
        select(&request, &EntityTag::new_strong("v1".to_owned()), 1000)
    }

    #[test]
    fn ranges_of_every_form_are_understood() {
        assert_eq!(selects(&[("range", "bytes=0-99")]), Selection::Part { start: 0, end: 100 });
        assert_eq!(selects(&[("range", "bytes=900-")]), Selection::Part { start: 900, end: 1000 });
        assert_eq!(selects(&[("range", "bytes=-1")]), Selection::Part { start: 999, end: 1000 });
        assert_eq!(selects(&[("range", "bytes=999-5000")]), Selection::Part { start: 999, end: 1000 });
        assert_eq!(selects(&[("range", "bytes=1000-")]), Selection::Unsatisfiable);
    }

    #[test]
    fn what_is_not_one_range_of_bytes_gets_the_whole() {
        for field in ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes"] {
            assert_eq!(selects(&[("range", field)]), Selection::Whole, "{field}");
        }
        assert_eq!(selects(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]), Selection::Whole);
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let range = ("range", "bytes=0-0");
        assert_eq!(selects(&[range, ("if-range", "\"v1\"")]), Selection::Part { start: 0, end: 1 });
        for other in ["\"v2\"", "W/\"v1\"", "Mon, 23 Nov 2026 12:00:00 GMT"] {
            assert_eq!(selects(&[range, ("if-range", other)]), Selection::Whole, "{other}");
        }
    }

    #[test]
    fn conditions_come_before_ranges() {
        let range = ("range", "bytes=0-0");
        assert_eq!(selects(&[range, ("if-none-match", "\"v0\", W/\"v1\"")]), Selection::NotModified);
        assert_eq!(selects(&[("if-none-match", "*")]), Selection::NotModified);
        assert_eq!(selects(&[("if-none-match", "\"v2\"")]), Selection::Whole);
        assert_eq!(selects(&[range, ("if-match", "\"v2\"")]), Selection::Failed);
        assert_eq!(selects(&[range, ("if-match", "\"v1\"")]), Selection::Part { start: 0, end: 1 });
    }
}
