use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::Explain as _;

/// One variable of every kind.
const VARIABLES: &[(&str, &str)] = &[
    ("value", "text"),
    ("count", "int64"),
    ("ratio", "float64"),
    ("price", "decimal(9,2)"),
    ("long", "decimal"),
    ("active", "bool"),
    ("raw", "binary"),
    ("at", "timestamp"),
    ("day", "date"),
    ("record.email", "text"),
    ("nothing", "text"),
];

fn logical(name: &str) -> LogicalType {
    name.parse().unwrap()
}

fn variables() -> Vec<(&'static str, LogicalType)> {
    VARIABLES.iter().map(|(name, logical_name)| (*name, logical(logical_name))).collect()
}

fn bindings() -> Vec<Value> {
    let values = [
        json!("  Jane DOE "),
        json!(42),
        json!(0.5),
        json!("19.90"),
        json!("123456789012345678901234567890.5"),
        json!(true),
        json!("aGVsbG8="),
        json!("2026-11-21T12:00:00Z"),
        json!("2026-11-21"),
        json!("a@b.c"),
        json!(null),
    ];
    let values = VARIABLES.iter().zip(values);
    values.map(|((_, logical_name), json)| Value::from_json(&json, logical(logical_name)).unwrap()).collect()
}

fn compile(text: &str) -> Result<Expression, ExpressionError> {
    Expression::compile(text, &variables())
}

/// Expected is the value as the wanted type's JSON has it, or a part of the reason why it fails on the record.
fn check(text: &str, wanted: &str, expected: Result<serde_json::Value, &str>) {
    let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    match (expression.evaluate(&bindings(), logical(wanted)), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value.to_json(logical(wanted)), expected, "{text}"),
        (Err(ExpressionError::Failed { reason, .. }), Err(expected)) => {
            assert!(reason.contains(expected), "{text}: {reason}");
        }
        (found, expected) => panic!("{text}: {found:?} instead of {expected:?}"),
    }
}

fn check_true(text: &str) {
    assert_eq!(compile(text).and_then(|expression| expression.evaluate_bool(&bindings())), Ok(true), "{text}");
}

fn check_error(text: &str, message: &str, hint: &str) {
    let error = compile(text).map(|expression| expression.kind_for_tests()).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code().id), (message, "LS0210"), "{text}");
    assert_eq!(error.hints().first().map_or("", String::as_str), hint, "{text}");
}

impl Expression {
    fn kind_for_tests(&self) -> Kind {
        self.0.kind
    }
}

#[test]
fn texts() {
    check("lower(trim(value))", "text", Ok(json!("jane doe")));
    check("value.trim().upper()", "text", Ok(json!("JANE DOE")));
    check("lower('ÄRGER')", "text", Ok(json!("ärger")));
    check("replace(trim(value), 'DOE', 'Roe')", "text", Ok(json!("Jane Roe")));
    check("value.trim().split(' ').join('_')", "text", Ok(json!("Jane_DOE")));
    check("'äbc'.split('').join('-')", "text", Ok(json!("ä-b-c")));
    check("digits('+49 (0)30-1')", "text", Ok(json!("490301")));
    check("substring('äbcd', 1)", "text", Ok(json!("bcd")));
    check("substring('äbcd', 0, 2)", "text", Ok(json!("äb")));
    check("substring('abc', 3)", "text", Ok(json!("")));
    check("substring('abc', 0, 4)", "text", Err("no character 4 in a text of 3"));
    check("substring('abc', -1)", "text", Err("no character -1"));
    check("substring('abc', 2, 1)", "text", Err("the end is before the start"));
    check("replace(value, '', 'x')", "text", Err("is empty"));
    check("size('äb') + size(raw) + size([1])", "int64", Ok(json!(8)));
    check("'a' + 'b' + record.email", "text", Ok(json!("aba@b.c")));
    check("value.trim().split(' ')[1]", "text", Ok(json!("DOE")));
    check("value.split(' ')[9]", "text", Err("there is no item 9"));
    check_true("value.contains('Jane') && !value.startsWith('Jane') && value.endsWith(' ')");
}

#[test]
fn numbers_are_exact_or_an_error() {
    check("count * 2 + 1", "int64", Ok(json!(85)));
    check("count / 0", "int64", Err("a division by zero"));
    check("count % 0", "int64", Err("a division by zero"));
    check("9223372036854775807 + count", "int64", Err("beyond 64 bits"));
    check("-9223372036854775808 / -1", "int64", Err("beyond 64 bits"));
    check("-9223372036854775808 % -1", "int64", Err("beyond 64 bits"));
    check("-(-9223372036854775808 + count - count)", "int64", Err("beyond 64 bits"));
    check("abs(-9223372036854775808)", "int64", Err("beyond 64 bits"));
    check("ratio * 3.0", "float64", Ok(json!(1.5)));
    check("int(ratio)", "int64", Err("does not fit `int64`"));
    check("int('12')", "int64", Ok(json!(12)));
    check("double(count)", "float64", Ok(json!(42.0)));
    check("double(9007199254740993)", "float64", Err("does not fit"));
    check_true("9007199254740993 > 9007199254740992.0 && 1 == 1.0 && 2 < 2.5 && -3 < -2.5 && -2 > -2.5");
    check_true("9223372036854775807 < 9.3e18 && -9223372036854775808 > -1e300");
}

#[test]
fn decimals_stay_decimals() {
    check("price", "decimal(9,2)", Ok(json!("19.90")));
    check("price * 1.19", "decimal", Ok(json!("23.681")));
    check("price * 1.19", "decimal(9,2)", Err("more digits behind the point"));
    check("price + long", "decimal", Ok(json!("123456789012345678901234567910.4")));
    check("-price - 1", "decimal(9,2)", Ok(json!("-20.90")));
    check("long * long", "decimal", Err("38 at most"));
    check("abs(decimal('-0.05'))", "decimal", Ok(json!("0.05")));
    check("count", "decimal(9,2)", Ok(json!("42.00")));
    check("string(price)", "text", Ok(json!("19.9")));
    check("price", "float64", Ok(json!(19.9)));
    check("decimal('1.50') + 0", "text", Ok(json!("1.5")));
    check_true("price > 19 && price < 19.91 && price == 19.9 && price == decimal('19.90') && long > price");
}

#[test]
fn times_compare_with_their_like() {
    check("at", "timestamp", Ok(json!("2026-11-21T12:00:00Z")));
    check("at", "text", Ok(json!("2026-11-21T12:00:00Z")));
    check("date('2026-01-01')", "date", Ok(json!("2026-01-01")));
    check("datetime(day)", "datetime", Ok(json!("2026-11-21T00:00:00")));
    check_true("at > timestamp('2026-01-01T00:00:00Z') && day == date('2026-11-21') && day in [date('2026-11-21')]");
    check("timestamp(value)", "timestamp", Err("ISO 8601"));
}

#[test]
fn bytes_are_texts_only_if_asked() {
    check("raw", "binary", Ok(json!("aGVsbG8=")));
    check("string(raw)", "text", Ok(json!("hello")));
    check("bytes('hello') == raw ? 'same' : 'other'", "text", Ok(json!("same")));
    check("raw + b'!'", "binary", Ok(json!("aGVsbG8h")));
    check("string(b'\\xff')", "text", Err("the bytes are no text"));
}

#[test]
fn null_goes_through_and_has_a_default() {
    check("lower(trim(nothing))", "text", Ok(json!(null)));
    check("nothing + 'x'", "text", Ok(json!(null)));
    check("default(nothing, 'none')", "text", Ok(json!("none")));
    check("nothing.default(value.trim())", "text", Ok(json!("Jane DOE")));
    check("default(value, string(1 / 0)).trim()", "text", Ok(json!("Jane DOE")));
    check("nothing == null ? 1 : 2", "int64", Ok(json!(1)));
    check("nothing > 'a' ? 1 : 2", "int64", Ok(json!(2)));
    for condition in ["nothing > 'a'", "null", "!(nothing > 'a')", "nothing > 'a' && active", "nothing == 'a'"] {
        assert_eq!(compile(condition).unwrap().evaluate_bool(&bindings()), Ok(false), "{condition}");
    }
    check_true("nothing != 'a' && value != null && (nothing > 'a' || active)");
}

#[test]
fn one_side_decides_whatever_the_other_does() {
    check_true("active || 1 / 0 == 1");
    check_true("1 / 0 == 1 || active");
    check("1 / 0 == 1 && !active", "bool", Ok(json!(false)));
    check("1 / 0 == 1 && active", "bool", Err("a division by zero"));
}

#[test]
fn lists_are_searched_and_mapped() {
    check_true("count in [1, 42] && !(value in ['a']) && ['a', 'b'].exists(x, x == 'b')");
    check_true("[1, 2, 3].all(x, x > 0) && [1, 2, 3].exists_one(x, x > 2) && ![1].all(x, x > 1)");
    check("value.split(' ').filter(x, x != '').map(x, x.lower()).join('.')", "text", Ok(json!("jane.doe")));
    check("['a', 'b'].map(x, ['c', 'd'].map(y, x + y).join('')).join('|')", "text", Ok(json!("acad|bcbd")));
    check("[1, 2, 3, 4].map(x, x > 2, x * 10)[1]", "int64", Ok(json!(40)));
    check("['a'].map(value, value + '!')[0]", "text", Ok(json!("a!")));
    check("[1, 2].map(x, [x])", "text", Err("a list holds no lists"));
    check("[1] == [1] ? 'same' : 'other'", "text", Ok(json!("same")));
    check("[1] + [2] == [1, 2] && [1] != [1, 2] ? 'same' : 'other'", "text", Ok(json!("same")));
}

#[test]
fn what_can_be_known_before_is_told_before() {
    check_error(
        "lower(vlaue)",
        "the expression names `vlaue` at column 7, which is no variable",
        "did you mean `value`?",
    );
    check_error(
        "'vlaue' + zzzzzzzzzz",
        "the expression names `zzzzzzzzzz` at column 11, which is no variable",
        "the variables are: value, count, ratio, price, long, active, raw, at, day, record.email, nothing",
    );
    check_error(
        "record.emial",
        "the expression names `record.emial` at column 1, which is no variable",
        "did you mean `record.email`?",
    );
    check_error(
        "lowr(value)",
        "the expression calls `lowr` at column 1, which is no function",
        "did you mean `lower`?",
    );
    check_error(
        "matches(value, 'a')",
        "the expression calls `matches` at column 1, which is no function",
        &format!("the functions are: {}", function::names().join(", ")),
    );
    check_error("replace(value, 'a')", "the expression calls `replace` with 2 arguments instead of 3", "");
    check_error("default(value)", "the expression calls `default` with 1 arguments instead of 2", "");
    let convert = "convert first, by the name of the type: `string(value)`, `int(value)`, `decimal(value)`";
    check_error("lower(count)", "`lower` does not take an int", convert);
    check_error("value + count", "`+` does not take a string and an int", convert);
    check_error("count + ratio", "`+` does not take an int and a double", convert);
    check_error("price / 3", "`/` does not take a decimal and an int", convert);
    check_error("value == 1", "`==` does not take a string and an int", convert);
    check_error("at > day", "`>` does not take a timestamp and a date", convert);
    check_error("value && active", "`&&` does not take a string", convert);
    check_error("value ? 1 : 2", "`?` does not take a string", convert);
    check_error("count.map(x, x)", "a list's function does not take an int", convert);
    let transform =
        "what is too much for an expression is the work of a transform plugin, see docs/guides/write-a-plugin.md";
    for (text, what) in [("{'a': 1}", "maps"), ("1u", "unsigned numbers"), ("[[1]]", "lists of lists")] {
        check_error(text, &format!("expressions have no {what}"), transform);
    }
    check_error(
        "has(record.email)",
        "expressions have no parts of values, and no `has`: compare with `null`",
        transform,
    );
}

#[test]
fn syntax_errors_say_where() {
    for (text, column) in
        [("lower(", 7), ("'ä' +", 6), ("value value", 7), ("'open", 1), ("1 +\n + * 2", 6), ("", 1), ("a.b.", 5)]
    {
        match compile(text) {
            Err(ExpressionError::Syntax { column: found, reason }) => assert_eq!(found, column, "{text}: {reason}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn results_of_the_wrong_type_are_refused_unless_nothing_is_lost() {
    let expression = compile("at").unwrap();
    assert!(expression.check_result(LogicalType::Text).is_ok());
    let error = expression.check_result(LogicalType::Date).unwrap_err();
    assert_eq!(error.to_string(), "`at` gives a timestamp, which can never become `date`");
    assert!(compile("[1]").unwrap().check_result(LogicalType::Text).is_err());
    assert!(compile("value").unwrap().check_condition().is_err());
    assert!(compile("active").unwrap().check_condition().is_ok());
    check("value", "int64", Err("does not fit `int64`"));
    check("'67e55044-10b1-426f-9247-bb680e5fe0c8'", "uuid", Ok(json!("67e55044-10b1-426f-9247-bb680e5fe0c8")));
    check("'{'", "json", Err("does not fit `json`"));
    assert!(compile("value").unwrap().evaluate(&[], LogicalType::Text).is_err());
    let wrong = vec![Value::Int(1); VARIABLES.len()];
    assert!(compile("value").unwrap().evaluate(&wrong, LogicalType::Text).is_err());
}

#[test]
fn an_expression_that_is_too_big_is_refused() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for text in [
        "1+".repeat(3000) + "1",
        "1+".repeat(500) + "1",
        nested("[", "", "]", 500),
        nested("lower(", "value", ")", 300),
        nested("-!", "1", "", 1000),
        nested("(1+", "1", ")", 500),
        "active ? 1 : ".repeat(100) + "1",
        "active ? ".repeat(100) + "1",
        "value".to_owned() + &".lower()".repeat(400),
        "value".to_owned() + &"[0]".repeat(400),
        nested("[1].map(x,", "x", ")", 100),
    ] {
        match compile(&text) {
            Err(ExpressionError::TooBig { .. }) => {}
            other => panic!("{}…: {other:?}", &text[..20]),
        }
    }
    assert!(compile(&nested("(", "1", ")", 20)).is_ok());
    assert!(compile(&("active ? 1 : ".repeat(30) + "1")).is_ok());
}

#[test]
fn work_on_one_record_is_bounded() {
    let text = "x".repeat(9000);
    let run = |expression: &str, text: &str| {
        let expression = Expression::compile(expression, &[("value", LogicalType::Text)]).unwrap();
        expression.evaluate(&[Value::text(text)], LogicalType::Text).unwrap_err().to_string()
    };
    let square = "value.split('').map(x, value.split('').map(y, value).join('')).join('')";
    assert!(run(square, &text).contains("too many steps"));
    let cube = "string(value.split('').all(x, value.split('').all(y, value.split('').all(z, true))))";
    assert!(run(cube, &text).contains("too many steps"));
    assert!(run("value.split('').join('')", &"x".repeat(20_000)).contains("grows beyond 10000 items"));
    assert!(run("replace(value, 'x', value)", &text).contains("grows beyond 8 MiB"));
    assert!(run("value.split('').map(x, value).join('')", &text).contains("too many steps"));
    let doubled = format!("value{}", ".split('').map(x, 'xx').join('')".repeat(12));
    assert!(run(&doubled, &text).contains("10000 items"));
}

#[test]
fn a_long_text_may_be_looked_at() {
    let long = Value::text(&"x".repeat(100 << 20));
    let expression = |text: &str| Expression::compile(text, &[("value", LogicalType::Text)]).unwrap();
    assert_eq!(expression("value != null").evaluate_bool(std::slice::from_ref(&long)), Ok(true));
    assert_eq!(expression("default(value, '')").evaluate(std::slice::from_ref(&long), LogicalType::Text), Ok(long));
}

#[test]
fn expressions_go_to_any_thread() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    check(&compile("value").unwrap());
}

/// Pieces that make most of the grammar when thrown together.
const PIECES: [&str; 44] = [
    "value",
    "count",
    "price",
    "ratio",
    "nothing",
    "raw",
    "at",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "&&",
    "||",
    "!",
    "?",
    ":",
    "in",
    "'a'",
    "\"b",
    "b'\\xff'",
    "1",
    "0",
    "9223372036854775807",
    "1.5e308",
    "null",
    "true",
    "lower(",
    "split(",
    "map(x,",
    "default(",
    "substring(",
    "'\\u",
    "'''",
];

proptest! {
    #[test]
    fn no_text_and_no_value_brings_it_down(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..14),
        noise in ".{0,6}",
    ) {
        let text = format!("{}{noise}", pieces.join(""));
        if let Ok(expression) = compile(&text) {
            let _ = expression.evaluate(&bindings(), LogicalType::Text);
            let _ = expression.evaluate_bool(&bindings());
        }
        let _ = compile(&noise);
    }

    #[test]
    fn values_go_through_unchanged(text in any::<String>(), int in any::<i64>(), double in any::<f64>(), scaled in -999_999_999i64..=999_999_999) {
        let decimal: LogicalType = logical("decimal(9,2)");
        let cases = [
            (LogicalType::Text, Value::text(&text)),
            (LogicalType::Int64, Value::Int(int)),
            (LogicalType::Float64, Value::float(double)),
            (decimal, Value::Int(scaled)),
            (LogicalType::Timestamp, Value::Int(int)),
            (LogicalType::Date, Value::Int(int)),
            (LogicalType::Binary, Value::Bytes(text.as_bytes().into())),
        ];
        for (logical, value) in cases {
            let expression = Expression::compile("default(x, x)", &[("x", logical)]).unwrap();
            prop_assert_eq!(expression.evaluate(std::slice::from_ref(&value), logical), Ok(value));
        }
    }

    #[test]
    fn decimals_are_calculated_like_whole_numbers(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
        let logical = logical("decimal(18,4)");
        let run = |text: &str| {
            let expression = Expression::compile(text, &[("a", logical), ("b", logical)]).unwrap();
            expression.evaluate(&[Value::Int(a), Value::Int(b)], logical)
        };
        prop_assert_eq!(run("a + b"), Ok(Value::Int(a + b)));
        prop_assert_eq!(run("a - b"), Ok(Value::Int(a - b)));
        prop_assert_eq!(run("a < b ? a : b"), Ok(Value::Int(a.min(b))));
        prop_assert_eq!(run("a * 10000"), Ok(Value::Int(a * 10_000)));
    }

    #[test]
    fn ints_and_doubles_are_ordered_as_they_are(int in any::<i64>(), double in prop_oneof![any::<f64>(), any::<i64>().prop_map(|int| int as f64)]) {
        let run = |text: &str| {
            let expression = Expression::compile(text, &[("i", LogicalType::Int64), ("d", LogicalType::Float64)]).unwrap();
            expression.evaluate_bool(&[Value::Int(int), Value::float(double)]).unwrap()
        };
        prop_assert_eq!(run("i < d"), run("d > i"));
        prop_assert_eq!(run("i == d"), double == double.trunc() && double.abs() < 1.8e19 && double as i128 == i128::from(int));
        prop_assert_eq!(u8::from(run("i < d")) + u8::from(run("i == d")) + u8::from(run("i > d")), u8::from(!double.is_nan()));
    }
}

#[test]
fn only_the_variables_that_are_looked_at_count() {
    let used = |text: &str| compile(text).unwrap().variables_used().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(used("count > 1 && record.email != 'a'"), ["count", "record.email"]);
    assert_eq!(used("value.split(' ').exists(count, count == value)"), ["value"]);
    assert_eq!(used("1 < 2"), [""; 0]);
}
