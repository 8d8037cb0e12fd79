use proptest::prelude::*;

use super::*;

fn rows(sql: &str) -> Option<(&str, String, &str)> {
    match cut(sql.as_bytes(), true) {
        Cut::Rows(head) => Some((sql[..head.statement_end].trim_end(), head.format, &sql[head.rows_start..])),
        _ => None,
    }
}

#[test]
fn rows_begin_after_the_format_or_values() {
    let cases = [
        ("INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t", "CSV", "1,2\n"),
        ("insert into t (a, b) format RowBinary\n\n\x01", "insert into t (a, b)", "RowBinary", "\n\x01"),
        ("INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t", "CSV", "1,2"),
        ("INSERT INTO t FORMAT JSONEachRow{\"a\":1}", "INSERT INTO t", "JSONEachRow", "{\"a\":1}"),
        ("INSERT INTO t FORMAT TSV\r\na", "INSERT INTO t", "TSV", "a"),
        ("INSERT INTO t VALUES (1, 'FORMAT x')", "INSERT INTO t", "Values", " (1, 'FORMAT x')"),
        ("INSERT INTO values VALUES (1)", "INSERT INTO values", "Values", " (1)"),
        ("INSERT INTO format (format, values) FORMAT CSV\n", "INSERT INTO format (format, values)", "CSV", ""),
        ("INSERT INTO db . `a.b` (* EXCEPT(x)) VALUES(1)", "INSERT INTO db . `a.b` (* EXCEPT(x))", "Values", "(1)"),
        ("INSERT INTO t SETTINGS a=1, b='FORMAT' FORMAT CSV\nx", "INSERT INTO t SETTINGS a=1, b='FORMAT'", "CSV", "x"),
        ("INSERT INTO {t:Identifier} FORMAT CSV\nx", "INSERT INTO {t:Identifier}", "CSV", "x"),
        ("INSERT INTO FUNCTION null('a Int8') FORMAT CSV\nx", "INSERT INTO FUNCTION null('a Int8')", "CSV", "x"),
        ("/* VALUES */ INSERT -- FORMAT\n INTO t FORMAT CSV\nx", "/* VALUES */ INSERT -- FORMAT\n INTO t", "CSV", "x"),
        ("INSERT INTO t (watch, infile) VALUES (1,2)", "INSERT INTO t (watch, infile)", "Values", " (1,2)"),
        ("INSERT INTO t (a);", "INSERT INTO t (a)", "Values", ""),
    ];
    for (sql, statement, format, data) in cases {
        assert_eq!(rows(sql), Some((statement, format.to_owned(), data)), "{sql}");
    }
}

#[test]
fn a_statement_without_rows_is_whole() {
    for sql in [
        "SELECT 1",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x",
        "",
        " -- c",
        "INSERT INTO t (a) (SELECT 1)",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    ] {
        assert_eq!(cut(sql.as_bytes(), true), Cut::Whole, "{sql}");
    }
}

#[test]
fn a_text_that_may_go_on_is_incomplete() {
    for sql in [
        "",
        "INS",
        "INSERT INTO t",
        "INSERT INTO t FORMAT",
        "INSERT INTO t FORMAT CSV",
        "INSERT INTO t FORMAT CSV ",
        "INSERT INTO t VALUES",
    ] {
        assert_eq!(cut(sql.as_bytes(), false), Cut::Incomplete, "{sql}");
    }
    assert_eq!(cut(b"SELECT 1", false), Cut::Whole);
    assert!(matches!(cut(b"INSERT INTO t VALUES (", false), Cut::Rows(_)));
}

#[test]
fn a_results_format_is_the_one_at_the_end() {
    let parse = |sql: &str| Statement::parse(sql.as_bytes()).map(|s| (s.format.clone(), s.is_select));
    assert_eq!(parse("SELECT format('{}', 1) AS format FORMAT JSON;"), Ok((Some("JSON".into()), true)));
    assert_eq!(parse("SELECT 1 FORMAT CSV SETTINGS max_threads = 1"), Ok((Some("CSV".into()), true)));
    assert_eq!(parse("SELECT 1 AS format x FROM t"), Ok((None, true)));
    assert_eq!(parse("SELECT (SELECT 1 FORMAT Null)"), Ok((None, true)));
    assert_eq!(parse("SHOW TABLES FORMAT JSON"), Ok((Some("JSON".into()), false)));
    assert_eq!(parse("(SELECT 1) UNION ALL (SELECT 2)"), Ok((None, true)));
}

#[test]
fn the_outfile_goes_before_the_format_and_after_a_comment() {
    let outfile =
        |sql: &str| String::from_utf8(Statement::parse(sql.as_bytes()).unwrap().with_outfile("/p", "TSV")).unwrap();
    assert_eq!(
        outfile("SELECT 1 FORMAT CSV SETTINGS a=1;"),
        "SELECT 1 \nINTO OUTFILE '/p' APPEND\nFORMAT CSV SETTINGS a=1"
    );
    assert_eq!(outfile("SELECT 1 -- c"), "SELECT 1\nINTO OUTFILE '/p' APPEND\nFORMAT TSV");
}

#[test]
fn files_beside_the_request_are_refused() {
    for (sql, code) in [
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 358),
        ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 48),
        ("INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1", 48),
    ] {
        assert_eq!(cut(sql.as_bytes(), true), Cut::Whole, "{sql}");
        assert_eq!(Statement::parse(sql.as_bytes()).map_err(|e| e.code()), Err(code), "{sql}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_cutting_panic(sql in prop::collection::vec(any::<u8>(), 0..200), complete: bool) {
        let _ = cut(&sql, complete);
        let _ = Statement::parse(&sql);
    }

    /// However a body arrives in pieces, the rows begin at the same byte.
    #[test]
    fn a_cut_does_not_depend_on_how_much_has_arrived(
        head in prop::sample::select(vec!["INSERT INTO t FORMAT CSV\n", "INSERT INTO a.b (x) SETTINGS y='1' VALUES ", "INSERT INTO t FORMAT Native \r\n"]),
        data in "[ -~]{1,40}",
    ) {
        let sql = format!("{head}{data}");
        let whole = cut(sql.as_bytes(), true);
        for end in 0..sql.len() {
            match cut(&sql.as_bytes()[..end], false) {
                Cut::Incomplete => {}
                early => prop_assert_eq!(&early, &whole),
            }
        }
    }
}
