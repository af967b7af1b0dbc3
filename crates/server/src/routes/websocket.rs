//! `/ws`: a WebSocket (RFC 6455) that sends every message back, until the peer or the server leaves.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, Version},
    rt, web,
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use tokio::time::sleep;

use crate::{problem::Problem, state::State};

/// The longest message, in bytes; a longer one ends the session.
const LONGEST: usize = 1 << 20;

pub(super) async fn echo(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    // An Upgrade in HTTP/1.0 is to be ignored (RFC 9110 §7.8).
    if request.version() < Version::HTTP_11 {
        let detail = "a WebSocket begins with a request in HTTP/1.1";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).into());
    }
    let (response, session, messages) = actix_ws::handle(&request, payload)?;
    let messages = messages.max_frame_size(LONGEST).aggregate_continuations().max_continuation_size(LONGEST);
    rt::spawn(talk(state, session, messages));
    Ok(response)
}

async fn talk(state: web::Data<State>, mut session: Session, mut messages: AggregatedMessageStream) {
    let leaving = async {
        state.shutdown.requested().await;
        // As long as an idle connection: the peer may have something to finish.
        sleep(state.settings.leave_after).await;
    };
    let answering = async {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                AggregatedMessage::Text(text) => session.text(text).await,
                AggregatedMessage::Binary(bytes) => session.binary(bytes).await,
                AggregatedMessage::Ping(bytes) => session.pong(&bytes).await,
                AggregatedMessage::Pong(_) => Ok(()),
                AggregatedMessage::Close(reason) => return reason,
            };
            if sent.is_err() {
                break;
            }
        }
        None
    };
    let reason = tokio::select! {
        reason = answering => reason,
        () = leaving => Some(CloseReason { code: CloseCode::Away, description: None }),
    };
    // An error says that the peer is gone, and there is nobody else to tell.
    let _ = session.close(reason).await;
}
