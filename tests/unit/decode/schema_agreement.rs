//! The schemas and the decoder agree, except for rules that JSON Schema cannot express.

use std::sync::LazyLock;

use jsonschema::Validator;
use order_worker::entrypoints::schemas;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::*;

static VALIDATORS: LazyLock<Vec<(CommandKind, Validator)>> = LazyLock::new(|| {
    let schemas = schemas::all();
    let validator = |kind: CommandKind| {
        let file_name = format!("{kind}.json");
        let schema = schemas.iter().find(|schema| schema.file_name == file_name);
        let schema = schema.unwrap_or_else(|| panic!("add {kind} to schemas::all()"));
        (kind, jsonschema::validator_for(schema.schema.as_value()).unwrap())
    };
    CommandKind::ALL.map(validator).to_vec()
});

fn schema_allows(kind: CommandKind, body: &Value) -> bool {
    VALIDATORS.iter().any(|(of, validator)| *of == kind && validator.is_valid(body))
}

fn decoded_as(kind: CommandKind, body: &Value) -> Decoded {
    decoded(&format!("order.{}", kind.word()), body.to_string())
}

/// A rule of the decoder, and the values for which no schema can express it.
type Exception = (&'static str, fn(&Value) -> bool);

/// What the decoder rejects although the schema allows it.
const BEYOND_THE_SCHEMA: [Exception; 9] = [
    // Dividing by 0.01 in binary floats, as validators do, is not exact.
    ("must have at most 2 decimals", |value| value.is_number() || value.is_string()),
    // To a schema, minus zero is not below zero.
    ("must not be negative", |value| *value == json!(-0.0)),
    // A pattern bounds no number in a text.
    ("must be below 10000000000", Value::is_string),
    ("must be a whole number from 1 to 2147483647", Value::is_string),
    // Nor does it list every spelling of a name.
    ("must be one of Received,", Value::is_string),
    ("names no command", Value::is_null),
    // To a schema, 1.0 is an integer.
    ("must be text or an integer", Value::is_f64),
    // More than one field decides.
    ("is missing, and the items' sum must be below 10000000000", Value::is_null),
    ("needs a message id", Value::is_null),
];

/// What the decoder accepts although the schema does not allow it.
fn is_leniency(body: &Value) -> bool {
    // No publisher should write it, but many clients send an empty text for what they have not.
    body["message_id"] == ""
}

fn is_beyond_the_schema(body: &Value, detail: &str) -> bool {
    let path = detail.split(' ').next().unwrap_or_default();
    let pointer = format!("/{}", path.replace("].", "/").replace(['.', '['], "/"));
    let value = body.pointer(&pointer).unwrap_or(&Value::Null);
    BEYOND_THE_SCHEMA.iter().any(|(rule, applies)| detail.contains(rule) && applies(value))
}

/// Values of which some fit almost everywhere, and some nowhere.
fn any_value() -> impl Strategy<Value = Value> {
    let telling = [
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!(0),
        json!(-0.0),
        json!(1),
        json!(-1),
        json!(2.0),
        json!(2.5),
        json!("2"),
        json!("2.0"),
        json!("-2"),
        json!(" 2"),
        json!("2e0"),
        json!(6),
        json!(7),
        json!(10.005),
        json!("10.005"),
        json!(0.1),
        json!(1.15),
        json!(9_999_999_999.99),
        json!(10_000_000_000_u64),
        json!("10000000000"),
        json!("1e400"),
        json!(2_147_483_647),
        json!(2_147_483_648_u32),
        json!("2147483648"),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(1e-7),
        json!("12,50"),
        json!("NaN"),
        json!("٢"),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("\u{85}"),
        json!("shipping"),
        json!("Paid"),
        json!("x".repeat(64)),
        json!("é".repeat(65)),
        json!("é".repeat(200)),
        json!("x".repeat(201)),
        json!("x".repeat(255)),
        json!("😀".repeat(256)),
        json!("x".repeat(320)),
        json!("x".repeat(321)),
    ];
    select(telling.to_vec())
}

/// A field that is mostly good.
fn field(good: &[Value]) -> impl Strategy<Value = Option<Value>> + use<> {
    prop_oneof![
        12 => select(good.to_vec()).prop_map(Some),
        1 => any_value().prop_map(Some),
        1 => Just(None),
    ]
}

fn good_identifiers() -> Vec<Value> {
    vec![
        json!(14),
        json!(-5),
        json!("14"),
        json!("hades-2"),
        json!(u64::MAX),
        json!("é".repeat(64)),
    ]
}

fn good_texts() -> Vec<Value> {
    vec![json!(""), json!("Ada\r\n"), json!("é".repeat(200)), json!("😀".repeat(200))]
}

fn good_amounts() -> Vec<Value> {
    vec![json!(0), json!(10), json!(12.5), json!("190.00"), json!(9_999_999_999.99), json!("1e2")]
}

fn good_quantities() -> Vec<Value> {
    vec![json!(1), json!(2.0), json!("2"), json!("2.00"), json!(2_147_483_647)]
}

fn good_statuses() -> Vec<Value> {
    vec![json!("Payment complete"), json!("payment_complete"), json!(6), json!(1.0), json!("3")]
}

/// A field whose absence is good, too.
fn or_absent(mut good: Vec<Value>) -> Vec<Value> {
    good.push(Value::Null);
    good
}

/// An object of these fields, and perhaps an unknown one.
fn object(fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    (values, prop::option::of(any_value()))
        .prop_map(move |(values, unknown)| {
            let known = names.iter().copied().zip(values);
            let all = known.chain([("unknown", unknown)]);
            let present = all.filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(present.collect::<Map<_, _>>())
        })
        .boxed()
}

/// How the fields of a body are made: from their good values, and from others.
type MakeField = fn(Vec<Value>) -> BoxedStrategy<Option<Value>>;

fn body_of(kind: CommandKind, make: MakeField) -> BoxedStrategy<Value> {
    let mut fields = match kind {
        CommandKind::PlaceOrder => placing(make),
        CommandKind::CancelOrder => {
            vec![("order_id", make(good_identifiers())), ("reason", make(or_absent(good_texts())))]
        }
        CommandKind::SetStatus => {
            vec![("order_id", make(good_identifiers())), ("status", make(good_statuses()))]
        }
        CommandKind::SetNextStatus => {
            vec![("order_id", make(good_identifiers())), ("from", make(or_absent(good_statuses())))]
        }
    };
    fields.push(("message_id", make(vec![json!("intent-1"), json!(42)])));
    fields.push((
        "type",
        make(vec![json!(kind.name()), json!(kind.name().to_uppercase()), json!(null)]),
    ));
    object(fields)
}

fn placing(make: MakeField) -> Vec<(&'static str, BoxedStrategy<Option<Value>>)> {
    let customer = object(vec![
        ("customer_id", make(good_identifiers())),
        ("name", make(good_texts())),
        ("email", make(good_texts())),
    ]);
    let item = object(vec![
        ("product_id", make(good_identifiers())),
        ("name", make(good_texts())),
        ("quantity", make(good_quantities())),
        ("price_per_unit", make(good_amounts())),
    ]);
    let items = prop::collection::vec(item, 1..4).prop_map(Value::from);
    let sometimes_no_items = prop_oneof![9 => items, 1 => Just(json!([]))];
    vec![
        ("order_id", make(or_absent(good_identifiers()))),
        ("order_customer", customer.prop_map(Some).boxed()),
        ("items", sometimes_no_items.prop_map(Some).boxed()),
        ("total", make(or_absent(good_amounts()))),
        ("status", make(good_statuses())),
    ]
}

fn near_valid() -> impl Strategy<Value = (CommandKind, Value)> {
    select(CommandKind::ALL.to_vec())
        .prop_flat_map(|kind| (Just(kind), body_of(kind, |good| field(&good).boxed())))
}

fn valid() -> impl Strategy<Value = (CommandKind, Value)> {
    let always = |good: Vec<Value>| select(good).prop_map(Some).boxed();
    select(CommandKind::ALL.to_vec())
        .prop_flat_map(move |kind| (Just(kind), body_of(kind, always)))
        .prop_filter("an order has items", |(_, body)| body["items"] != json!([]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_both_allow_is_accepted((kind, body) in valid()) {
        prop_assert!(schema_allows(kind, &body));
        if let Err(dead) = decoded_as(kind, &body).result {
            prop_assert!(dead.detail.starts_with("total is missing, and the items' sum"), "{dead}");
        }
    }

    #[test]
    fn the_schema_and_the_decoder_agree((kind, body) in near_valid()) {
        match (schema_allows(kind, &body), decoded_as(kind, &body).result) {
            (true, Ok(_)) | (false, Err(_)) => {}
            (true, Err(dead)) => prop_assert!(is_beyond_the_schema(&body, &dead.detail), "{dead}"),
            (false, Ok(_)) => prop_assert!(is_leniency(&body), "not in the schema, but taken"),
        }
    }
}

#[test]
fn the_stores_own_order_is_valid() {
    let order = serde_json::from_str(THE_STORES_ORDER).unwrap();

    assert!(schema_allows(CommandKind::PlaceOrder, &order));
}
