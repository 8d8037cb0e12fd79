//! Answers of several parts: everything of one place, and what the predecessor computed each hour.

use super::{
    Analytics,
    answer::Period,
    as_of::AsOf,
    parameters::{self, Asked, Sort},
    period::{Interval, Stretch},
    resource::{self, CATEGORY_STATS, PLACE_STATS, Resource, Rollup, TAX_TIP_STATS},
    statement::Wish,
};
use crate::{query::Problem, told};
use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, value::RawValue};
use std::time::Duration;
use tokio::try_join;

/// Rows of one part.
pub(in crate::query) type Rows = Vec<Box<RawValue>>;

/// Everything of one place.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::query) struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Period>,
    /// Up to what it is.
    as_of: AsOf,
    /// The place.
    #[schemars(with = "Json", extend("$ref" = resource::DIRECTORY.reference()["$ref"]))]
    place: Box<RawValue>,
    /// Its names.
    #[schemars(with = "Vec<Json>", extend("items" = resource::NAMES.reference()))]
    names: Rows,
    /// Its figures.
    #[schemars(with = "Vec<Json>", extend("items" = resource::PLACES.reference()))]
    figures: Rows,
}

/// What the predecessor computed each hour.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::query) struct Overview {
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Period>,
    /// Up to what it is.
    as_of: AsOf,
    /// By place.
    #[schemars(with = "Vec<Json>", extend("items" = resource::PLACES.reference()))]
    places: Rows,
    /// Taxes and tips.
    #[schemars(with = "Vec<Json>", extend("items" = resource::TAXES_AND_TIPS.reference()))]
    taxes_and_tips: Rows,
    /// By category.
    #[schemars(with = "Vec<Json>", extend("items" = resource::CATEGORIES.reference()))]
    categories: Rows,
}

impl Analytics {
    pub(super) async fn place(&self, id: String, request: Request) -> Response {
        let query = request.uri().query().unwrap_or_default();
        let answered = async {
            let asked = whole(&resource::TAXES_AND_TIPS, query)?;
            let as_of = self.as_of(resource::PLACES.rollups, &asked.min_offsets, asked.wait_ms).await?;
            let unknown = || {
                Problem::not_found(
                    "unknown_place",
                    "no receipt of this place can be queried; what was accepted a moment ago may not be queryable yet",
                )
            };
            if !told::can_be_id(&id) {
                return Err(unknown());
            }
            let (place, names, stretch) = try_join!(
                self.part(&resource::DIRECTORY, &asked, None, Some(&id)),
                self.part(&resource::NAMES, &asked, None, Some(&id)),
                self.stretch(&resource::PLACES, None, &asked),
            )?;
            let place = place.into_iter().next().ok_or_else(unknown)?;
            let figures = self.part(&resource::PLACES, &asked, stretch, Some(&id)).await?;
            Ok::<_, Problem>(Place { period: period(stretch, &asked), as_of, place, names, figures })
        };
        match answered.await {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(problem) => problem.respond(request.headers()),
        }
    }

    pub(super) async fn overview(&self, request: Request) -> Response {
        let query = request.uri().query().unwrap_or_default();
        let answered = async {
            let asked = whole(&resource::TAXES_AND_TIPS, query)?;
            const ROLLUPS: &[&Rollup] = &[PLACE_STATS, TAX_TIP_STATS, CATEGORY_STATS];
            let as_of = self.as_of(ROLLUPS, &asked.min_offsets, asked.wait_ms).await?;
            let stretch = self.stretch(&resource::PLACES, None, &asked).await?;
            let (places, taxes_and_tips, categories) = try_join!(
                self.part(&resource::PLACES, &asked, stretch, None),
                self.part(&resource::TAXES_AND_TIPS, &asked, stretch, None),
                self.part(&resource::CATEGORIES, &asked, stretch, None),
            )?;
            Ok::<_, Problem>(Overview { period: period(stretch, &asked), as_of, places, taxes_and_tips, categories })
        };
        match answered.await {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(problem) => problem.respond(request.headers()),
        }
    }

    /// Rows of one part, all of them, in the order of their keys.
    async fn part(
        &self,
        resource: &'static Resource,
        asked: &Asked,
        stretch: Option<Stretch>,
        place: Option<&str>,
    ) -> Result<Rows, Problem> {
        let asked = Asked { sort: Sort { column: resource.keys[0], descending: false }, ..asked.clone() };
        self.rows_in_order(resource, asked, stretch, place).await
    }

    /// All rows of a resource in the order that is asked for; of its filters those that it has count.
    pub(in crate::query) async fn rows_in_order(
        &self,
        resource: &'static Resource,
        mut asked: Asked,
        stretch: Option<Stretch>,
        place: Option<&str>,
    ) -> Result<Rows, Problem> {
        if resource.takes.period() && stretch.is_none() {
            return Ok(Vec::new());
        }
        if let Some(stretch) = stretch {
            self.check_range(stretch)?;
        }
        asked.filters.retain(|column, _| resource.filters.contains(column));
        let rows = self.config.page_rows_max;
        let only = place.map(|place| ("place_id", place));
        let wish = Wish { resource, asked: &asked, stretch, only, rows: rows + 1 };
        let found = self.rows_of(&wish, None, Duration::from_millis(self.config.timeout_ms)).await?;
        if found.len() as u64 > rows {
            return Err(Problem::too_much(format!(
                "there are more than {rows} rows; ask for a shorter period or a longer interval, or for the parts by pages"
            )));
        }
        Ok(found)
    }
}

/// What is asked of all parts; the whole period is one interval unless another is asked for.
fn whole(resource: &'static Resource, query: &str) -> Result<Asked, Problem> {
    let mut asked = parameters::read(resource, query).map_err(Problem::bad_parameter)?;
    let says = |wanted: &str| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == wanted);
    for paged in ["sort", "limit", "cursor", "format"] {
        if says(paged) {
            return Err(Problem::bad_parameter(format!("there is no parameter {paged:?} here")));
        }
    }
    if !says("interval") {
        asked.interval = Interval::All;
    }
    Ok(asked)
}

fn period(stretch: Option<Stretch>, asked: &Asked) -> Option<Period> {
    let was_asked = asked.from.is_some() && asked.to.is_some();
    stretch.map(|stretch| Period::new(stretch, &asked.zone, Some(asked.interval), was_asked))
}
