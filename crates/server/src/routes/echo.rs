//! `/echo`: the request's body, back. A short one is verified before the answer begins; a long one is sent back while it
//! comes, so its memory stays bounded, and the digest that the request promised is promised again: the bytes are the same. When
//! they turn out not to be what was promised, the response ends short of its end.

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, SizedStream},
    http::header::{CONTENT_TYPE, HeaderValue},
    web::{self, Bytes, BytesMut},
};
use evenkeel_digest::Algorithm;
use futures_util::{Stream, StreamExt as _, stream};

use crate::{problem::Problem, stamp, state::State, upload::Upload};

/// Up to this length, in bytes, a body is held until it is whole.
const HELD: usize = 64 << 10;

pub(super) async fn echo(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mut upload = Upload::new(&request, payload, &state.settings)?;
    let mut held = BytesMut::new();
    let whole = loop {
        match upload.piece().await? {
            None => break true,
            Some(piece) => held.extend_from_slice(&piece),
        }
        if held.len() > HELD {
            break false;
        }
    };
    let mut response = HttpResponse::Ok();
    let octets = HeaderValue::from_static("application/octet-stream");
    response.insert_header((CONTENT_TYPE, request.headers().get(CONTENT_TYPE).cloned().unwrap_or(octets)));
    if whole {
        return Ok(response.body(held));
    }
    let (length, promised) = (upload.length(), promised(&upload));
    let body = rest(held.freeze(), upload);
    let mut response = match length {
        Some(length) => response.body(SizedStream::new(length, body)),
        None => response.body(BodyStream::new(body)),
    };
    if state.settings.digest.is_some() && !promised.is_empty() {
        stamp::set_content_digest(response.headers_mut(), &promised);
    }
    Ok(response)
}

/// What was held, then what is still to come.
fn rest(held: Bytes, upload: Upload) -> impl Stream<Item = Result<Bytes, Problem>> + 'static {
    let coming = stream::try_unfold(upload, async |mut upload| {
        let piece = upload.piece().await?;
        Ok(piece.map(|piece| (piece, upload)))
    });
    stream::once(async { Ok(held) }).chain(coming).boxed_local()
}

/// The digests of the request, to be sent back with the same bytes.
fn promised(upload: &Upload) -> String {
    let digests = Algorithm::ALL.into_iter().filter_map(|algorithm| upload.expected().get(algorithm));
    digests.map(|digest| digest.field_value()).collect::<Vec<_>>().join(", ")
}
