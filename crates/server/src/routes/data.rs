//! `/`: the data that the user gave.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    problem::Problem,
    select::{Selection, begin, select},
    stamp,
    state::State,
};

pub(super) async fn data(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let data = &state.settings.data;
    let length = data.bytes.len() as u64;
    let selection = select(&request, &data.tag, length);
    let mut response = begin(selection, &data.tag, length, &data.content_type)?;
    let mut response = match selection {
        Selection::Part { start, end } => response.body(data.bytes.slice(start as usize..end as usize)),
        Selection::NotModified => response.finish(),
        Selection::Whole | Selection::Failed | Selection::Unsatisfiable => response.body(data.bytes.clone()),
    };
    if let Some(digest) = &data.digest {
        stamp::set_repr_digest(response.headers_mut(), digest);
        if selection == Selection::Whole {
            stamp::set_content_digest(response.headers_mut(), digest);
        }
    }
    Ok(response)
}
