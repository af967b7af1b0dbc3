//! What a server answers on its traffic port, one file a route. To add one: a file, a line in [`configure`], a line in
//! [`KNOWN`].

mod bytes;
mod data;
mod echo;
mod health;
mod simple;
mod upload;
mod websocket;
mod whoami;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        Method, StatusCode,
        header::{ALLOW, HeaderValue},
    },
    web::{self, ServiceConfig},
};

pub(crate) use self::{
    health::{livez, readyz},
    simple::with_status,
    whoami::Address,
};
use crate::problem::Problem;

const KNOWN: &str =
    "there are / /whoami /echo /upload /bytes/{n} /status/{code} /delay/{duration} /ws /livez /readyz";

/// Adds all routes to an application.
pub(crate) fn configure(service: &mut ServiceConfig) {
    service
        .service(read_only("/", web::to(data::data)))
        .service(read_only("/whoami", web::to(whoami::whoami)))
        .service(web::resource("/echo").to(echo::echo))
        .service(web::resource("/upload").to(upload::upload))
        .service(read_only("/bytes/{length}", web::to(bytes::bytes)))
        .service(web::resource("/status/{code}").to(simple::status))
        .service(web::resource("/delay/{duration}").to(simple::delay))
        .service(
            web::resource("/ws").route(web::get().to(websocket::echo)).default_service(web::to(get_only)),
        )
        .service(read_only("/livez", web::to(livez)))
        .service(read_only("/readyz", web::to(readyz)))
        .default_service(web::to(unknown));
}

/// A resource that answers GET and HEAD, and 405 to the rest.
pub(crate) fn read_only(path: &str, route: actix_web::Route) -> actix_web::Resource {
    let reads = actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head());
    web::resource(path).route(route.guard(reads)).default_service(web::to(get_only))
}

/// 405 for whatever is only read, and to OPTIONS what it is for.
pub(crate) async fn get_only(request: HttpRequest) -> HttpResponse {
    const ALLOWED: &str = "GET, HEAD, OPTIONS";
    if request.method() == Method::OPTIONS {
        return options(ALLOWED);
    }
    let detail = format!("{} is not for {}", request.path(), request.method());
    let allowed = HeaderValue::from_static(ALLOWED);
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, allowed).error_response()
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let method = request.method();
    // Asks about the server as a whole (RFC 9110 §9.3.7).
    if method == Method::OPTIONS && request.uri().path() == "*" {
        return options("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    Problem::new(StatusCode::NOT_FOUND, format!("nothing to {method} here; {KNOWN}")).error_response()
}

fn options(allowed: &'static str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish()
}
