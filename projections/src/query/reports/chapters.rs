//! Which sections there are.

use super::{
    amount::{count, counted},
    asked::{Fields, days_up_to},
    chart::{Bars, Column as Drawn, Columns, Measured, Series},
    figures::{Answer, number, text},
    section::{BARS_MAX, Context, Drawing, ROWS_MAX, Section, value},
    table::{Row, hour},
};

/// All sections, in their order.
pub(super) fn chapters(context: &Context<'_>, fields: &Fields) -> Vec<Section> {
    let mut sections = vec![
        places(context, fields),
        purchases(context),
        taxes_and_tips(context),
        categories(context),
        load(context),
        transactions(context),
    ];
    let of_place = !fields.get("place").is_empty();
    for section in &mut sections {
        if of_place && matches!(section.id, "categories" | "load" | "transactions") && section.table.is_some() {
            section.note = format!("{} Of all places: it is not counted by place.", section.note).trim().to_owned();
        }
        if section.table.is_none() {
            nothing(section, context, fields);
        }
    }
    sections
}

/// What is said where nothing is: and where there is something.
fn nothing(section: &mut Section, context: &Context<'_>, fields: &Fields) {
    let figures = context.figures;
    let (what, latest) = match section.id {
        "transactions" => ("transactions", figures.latest_transaction),
        _ => ("receipts", figures.latest_receipt),
    };
    let of = if figures.currency.is_empty() { String::new() } else { format!(" in {}", figures.currency) };
    section.sentence = format!("No {what}{of} in this period.");
    let at = latest.filter(|at| !(figures.stretch.from..figures.stretch.to).contains(at));
    section.elsewhere = at.and_then(|at| {
        let link = days_up_to(&fields.with("currency", ""), at, &figures.asked)?;
        Some((link, format!("The latest {what} are of {}", context.times.day(at))))
    });
    if latest.is_none() {
        section.sentence = format!("No {what} have come in yet.");
    }
}

fn places(context: &Context<'_>, fields: &Fields) -> Section {
    let answer = &context.figures.places;
    let mut section = context.section("places", "Purchases and mean receipt by place", answer);
    let Some(first) = answer.rows.first() else { return section };
    let purchases: u64 = answer.rows.iter().map(|row| number(row, "purchases")).sum();
    section.sentence = format!(
        "{} had the most purchases, {} of {}, with a mean receipt of {}.",
        text(first, "place_name"),
        count(number(first, "purchases")),
        count(purchases),
        context.money(first, "mean_receipt"),
    );
    let measured = |row: &Row| -> Measured {
        let mean = (value(row, "mean_receipt"), context.plain_money(row, "mean_receipt"));
        let purchases = (value(row, "purchases"), count(number(row, "purchases")));
        (text(row, "place_name").to_owned(), vec![purchases, mean])
    };
    let measured: Vec<Measured> = answer.rows.iter().take(BARS_MAX).map(measured).collect();
    section.charts.push(Drawing::of_bars(&Bars::of(
        "places-chart",
        format!("Purchases and mean receipt of the {} with most purchases", of_places(measured.len())),
        "One line for each place with two bars; the table below has the same figures.".to_owned(),
        &["Purchases", &context.in_currency("Mean receipt")],
        &measured,
    )));
    let rows = &answer.rows[..answer.rows.len().min(ROWS_MAX)];
    let mut table = context.table(
        format!("Places by purchases in {}", context.figures.currency),
        answer,
        rows,
        &[
            ("place_name", "Place"),
            ("purchases", "Purchases"),
            ("purchase_total", "Total:"),
            ("mean_receipt", "Mean receipt:"),
            ("purchase_nds", "VAT:"),
            ("purchase_tips", "Tips:"),
            ("returns", "Returns"),
            ("return_total", "Returned:"),
        ],
    );
    for (cells, row) in table.lines.iter_mut().zip(rows) {
        if let Some(name) = cells.first_mut() {
            let link = fields.with("place", text(row, "place_id")).with("currency", &context.figures.currency);
            name.link = Some(format!("{}#purchases", link.link()));
        }
    }
    section.table = Some(table);
    section.note = context.cut(rows.len(), &answer.rows, "places", "purchases", "purchases");
    section
}

fn of_places(number: usize) -> String {
    if number == 1 { "place".to_owned() } else { format!("{number} places") }
}

fn purchases(context: &Context<'_>) -> Section {
    let answer = &context.figures.over_time;
    let mut section = context.section("purchases", "Purchases over time", answer);
    let Some(most) = context.most(&answer.rows, "purchases") else { return section };
    let at = context.start_of(most).unwrap_or_default();
    let of = match answer.rows.len() {
        1 => String::new(),
        _ => format!(
            " Most were made {} {}: {}.",
            context.since(),
            context.times.of(at),
            count(number(most, "purchases"))
        ),
    };
    let whole = context.figures.whole.rows.first();
    section.sentence = whole.map_or_else(String::new, |whole| {
        format!(
            "{} for {}, a mean receipt of {}.{of}",
            counted(number(whole, "purchases"), "purchase", "purchases"),
            context.money(whole, "purchase_total"),
            context.money(whole, "mean_receipt")
        )
    });
    section.charts.push(context.over_time(
        "purchases-chart",
        "Purchases over time".to_owned(),
        &answer.rows,
        &[("purchases", "first")],
        |row| {
            format!(
                "{}, {}",
                counted(number(row, "purchases"), "purchase", "purchases"),
                context.money(row, "purchase_total")
            )
        },
    ));
    section.table = Some(context.table(
        "Purchases by time".to_owned(),
        answer,
        &answer.rows,
        &[
            ("start_local", "From"),
            ("purchases", "Purchases"),
            ("purchase_total", "Total:"),
            ("mean_receipt", "Mean receipt:"),
            ("returns", "Returns"),
            ("return_total", "Returned:"),
        ],
    ));
    section
}

fn taxes_and_tips(context: &Context<'_>) -> Section {
    let answer = &context.figures.over_time;
    let mut section = context.section("taxes-and-tips", "Taxes and tips", answer);
    let Some(whole) = context.figures.whole.rows.first().filter(|_| !answer.rows.is_empty()) else { return section };
    section.sentence = format!(
        "Purchases of {} contain VAT of {}; tips of {} came on top.",
        context.money(whole, "purchase_total"),
        context.money(whole, "purchase_nds"),
        context.money(whole, "purchase_tips"),
    );
    for (id, title, column, class) in [
        ("vat-chart", "VAT contained in purchases", "purchase_nds", "first"),
        ("tips-chart", "Tips on purchases", "purchase_tips", "second"),
    ] {
        if value(whole, column) > 0.0 {
            let title = context.in_currency(title);
            section
                .charts
                .push(context.over_time(id, title, &answer.rows, &[(column, class)], |row| context.money(row, column)));
        }
    }
    let mut columns = vec![
        ("start_local", "From"),
        ("purchase_total", "Purchases:"),
        ("purchase_nds", "VAT:"),
        ("purchase_tips", "Tips:"),
        ("tipped", "Receipts with a tip"),
        ("return_nds", "VAT of returns:"),
        ("return_tips", "Tips on returns:"),
    ];
    columns.retain(|(name, _)| answer.resource.column(name).is_some());
    section.table = Some(context.table("Taxes and tips by time".to_owned(), answer, &answer.rows, &columns));
    section
}

fn categories(context: &Context<'_>) -> Section {
    let answer = &context.figures.categories;
    let mut section = context.section("categories", "Categories", answer);
    let Some(first) = answer.rows.first() else { return section };
    section.sentence =
        format!("Most was spent on {}: {}.", named(text(first, "category")), context.money(first, "purchase_amount"));
    let measured = |row: &Row| -> Measured {
        let amount = (value(row, "purchase_amount"), context.plain_money(row, "purchase_amount"));
        (named(text(row, "category")).to_owned(), vec![amount])
    };
    let measured: Vec<Measured> = answer.rows.iter().take(BARS_MAX).map(measured).collect();
    section.charts.push(Drawing::of_bars(&Bars::of(
        "categories-chart",
        "Purchases by category".to_owned(),
        "One line for each category; the table below has the same figures.".to_owned(),
        &[&context.in_currency("Amount of purchases")],
        &measured,
    )));
    let rows = &answer.rows[..answer.rows.len().min(ROWS_MAX)];
    section.table = Some(context.table(
        format!("Categories by amount in {}", context.figures.currency),
        answer,
        rows,
        &[
            ("category", "Category"),
            ("purchase_amount", "Purchases:"),
            ("purchase_lines", "Lines"),
            ("purchase_quantity", "Quantity"),
            ("return_amount", "Returns:"),
            ("return_lines", "Lines returned"),
        ],
    ));
    section.note = context.cut(rows.len(), &answer.rows, "categories", "purchase_lines", "lines");
    section
}

fn named(category: &str) -> &str {
    if category.is_empty() { "goods without a category" } else { category }
}

fn load(context: &Context<'_>) -> Section {
    let answer = &context.figures.load;
    let mut section = context.section("load", "Load by hour of the day", answer);
    let has_purchases = answer.rows.iter().any(|row| number(row, "purchases") > 0);
    let measured = if has_purchases { ("purchases", "purchase") } else { ("transactions", "transaction") };
    let Some(busiest) = context.most(&answer.rows, measured.0) else { return section };
    let from = number(busiest, "hour");
    section.sentence = format!(
        "The busiest hour is {} to {} by the clock of {}, with {}.",
        hour(&from.to_string()),
        hour(&((from + 1) % 24).to_string()),
        super::super::analytics::zone_name(&context.figures.asked.zone),
        counted(number(busiest, measured.0), measured.1, measured.0),
    );
    for (id, title, column, class) in [
        ("load-purchases", "Purchases by hour", "purchases", "first"),
        ("load-transactions", "Transactions by hour", "transactions", "second"),
    ] {
        if answer.rows.iter().any(|row| number(row, column) > 0) {
            section.charts.push(by_hour(id, title, answer, column, class));
        }
    }
    section.table = Some(context.table(
        "Receipts and transactions by hour".to_owned(),
        answer,
        &answer.rows,
        &[
            ("hour", "Hour"),
            ("purchases", "Purchases"),
            ("purchase_total", "Total:"),
            ("mean_receipt", "Mean receipt:"),
            ("returns", "Returns"),
            ("transactions", "Transactions"),
            ("transaction_amount", "Their amount:"),
            ("blocked", "Blocked"),
        ],
    ));
    section
}

fn by_hour(id: &str, title: &str, answer: &Answer, column: &str, class: &'static str) -> Drawing {
    let of = |row: &Row| {
        let from = value(row, "hour") / 24.0;
        let hint = format!("{}: {}", hour(&number(row, "hour").to_string()), count(number(row, column)));
        Drawn { from, to: from + 1.0 / 24.0, values: vec![value(row, column)], hint }
    };
    Drawing::of_columns(&Columns::of(Series {
        id,
        title: title.to_owned(),
        about: "One column for each hour of the day; the table below has the same figures.".to_owned(),
        classes: &[class],
        counts: true,
        columns: answer.rows.iter().map(of).collect(),
        labels: (0..24).step_by(6).map(|at| (f64::from(at) / 24.0, hour(&at.to_string()))).collect(),
    }))
}

fn transactions(context: &Context<'_>) -> Section {
    let answer = &context.figures.transactions;
    let mut section = context.section("transactions", "Transactions by risk", answer);
    let Some(whole) = context.figures.all_transactions.rows.first().filter(|_| !answer.rows.is_empty()) else {
        return section;
    };
    section.sentence = format!(
        "Of {} for {}, {} were allowed, {} are for review, and {} were blocked.",
        counted(number(whole, "transactions"), "transaction", "transactions"),
        context.money(whole, "amount"),
        count(number(whole, "allowed")),
        count(number(whole, "reviewed")),
        count(number(whole, "blocked")),
    );
    section.legend = vec![("allow", "Allowed"), ("review", "For review"), ("block", "Blocked")];
    section.charts.push(context.over_time(
        "transactions-chart",
        "Transactions by risk over time".to_owned(),
        &answer.rows,
        &[("allowed", "allow"), ("reviewed", "review"), ("blocked", "block")],
        |row| {
            let of = |column| count(number(row, column));
            format!("{} allowed, {} for review, {} blocked", of("allowed"), of("reviewed"), of("blocked"))
        },
    ));
    section.table = Some(context.table(
        "Transactions by risk and time".to_owned(),
        answer,
        &answer.rows,
        &[
            ("start_local", "From"),
            ("transactions", "Transactions"),
            ("allowed", "Allowed"),
            ("reviewed", "For review"),
            ("blocked", "Blocked"),
            ("amount", "Amount:"),
            ("mean_amount", "Mean:"),
            ("blocked_amount", "Blocked:"),
        ],
    ));
    section
}
