//! `/echo`: the request's body, back. A short one is verified before the answer begins, and the answer has a digest; a long
//! one is sent back while it comes, so its memory stays bounded, as it comes: what the request promised about it is neither
//! promised again nor held against it. A false promise of the client would look like a broken one of this server.

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, SizedStream},
    http::header::{CONTENT_TYPE, HeaderValue},
    web::{self, Bytes, BytesMut},
};
use futures_util::{Stream, StreamExt as _, stream};

use crate::{problem::Problem, state::State, upload::Upload};

/// Up to this length, in bytes, a body is held until it is whole.
const HELD: usize = 256 << 10;

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
    let length = upload.length();
    let body = rest(held.freeze(), upload.unverified());
    Ok(match length {
        Some(length) => response.body(SizedStream::new(length, body)),
        None => response.body(BodyStream::new(body)),
    })
}

/// What was held, then what is still to come.
fn rest(held: Bytes, upload: Upload) -> impl Stream<Item = Result<Bytes, Problem>> + 'static {
    let coming = stream::try_unfold(upload, async |mut upload| {
        let piece = upload.piece().await?;
        Ok(piece.map(|piece| (piece, upload)))
    });
    stream::once(async { Ok(held) }).chain(coming).boxed_local()
}
