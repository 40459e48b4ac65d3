//! Message properties as JSON, in the table of dead letters and in exports.

use order_worker::messages::{HeaderValue, Headers, Properties};
use order_worker::service_layer::dead_letters::{properties_from_json, properties_to_json};
use proptest::prelude::*;

proptest! {
    #[test]
    fn whatever_properties_there_are_come_back(properties in properties()) {
        let json = properties_to_json(&properties);

        let back = properties_from_json(&json);

        // Compared as text, as NaN is not equal to itself.
        prop_assert_eq!(format!("{:?}", back.unwrap()), format!("{properties:?}"));
    }
}

#[test]
fn what_json_has_is_plain_and_all_else_has_a_tag() {
    let headers = Headers::from([
        ("a".to_owned(), HeaderValue::List(vec!["x".into(), 1.into(), HeaderValue::Void])),
        ("b".to_owned(), HeaderValue::Binary(vec![0xff, 0])),
        ("c".to_owned(), HeaderValue::Double(f64::NAN)),
        ("d".to_owned(), HeaderValue::Decimal { scale: 2, mantissa: 995 }),
        ("e".to_owned(), HeaderValue::Table([("t".to_owned(), HeaderValue::Timestamp(1))].into())),
    ]);
    let kind = Some("PlaceOrder".to_owned());

    let json = properties_to_json(&Properties { headers, kind, ..Properties::default() });

    let expected = r#"{"headers":{"a":["x",1,null],"b":{"binary":"/wA="},"c":{"double":"NaN"},"d":{"decimal":{"scale":2,"mantissa":995}},"e":{"table":{"t":{"timestamp":1}}}},"type":"PlaceOrder"}"#;
    assert_eq!(json, expected);
}

#[test]
fn tables_that_are_nested_too_deep_are_cut() {
    let nested = |levels| {
        (0..levels).fold(HeaderValue::Int(1), |inner, _| {
            HeaderValue::Table([("t".to_owned(), inner)].into())
        })
    };
    let with =
        |value| Properties { headers: [("h".to_owned(), value)].into(), ..Properties::default() };

    let kept = properties_from_json(&properties_to_json(&with(nested(48)))).unwrap();
    let cut = properties_from_json(&properties_to_json(&with(nested(500)))).unwrap();

    assert_eq!(kept, with(nested(48)));
    assert!(!properties_to_json(&cut).contains('1'));
}

#[test]
fn a_tag_or_a_property_that_nobody_knows_is_an_error() {
    for json in [
        r#"{"headers": {"a": {"blob": ""}}}"#,
        r#"{"headers": {"a": {}}}"#,
        r#"{"headers": {"a": {"binary": "not base64"}}}"#,
        r#"{"headers": {"a": {"timestamp": 1, "float": "1"}}}"#,
        r#"{"headers": {"a": 1.5}}"#,
        r#"{"priorty": 1}"#,
    ] {
        properties_from_json(json).expect_err(json);
    }
}

fn properties() -> impl Strategy<Value = Properties> {
    let texts = || proptest::option::of(any::<String>());
    let headers = proptest::collection::btree_map(any::<String>(), header_value(), 0..4);
    let rest = (texts(), texts(), texts(), texts(), texts(), texts());
    (headers, rest, any::<Option<u8>>(), any::<Option<u64>>()).prop_map(
        |(
            headers,
            (content_type, reply_to, message_id, kind, user_id, app_id),
            priority,
            timestamp,
        )| {
            Properties {
                content_type,
                headers,
                priority,
                reply_to,
                message_id,
                timestamp,
                kind,
                user_id,
                app_id,
                ..Properties::default()
            }
        },
    )
}

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let leaf = prop_oneof![
        Just(HeaderValue::Void),
        any::<bool>().prop_map(HeaderValue::Bool),
        any::<i64>().prop_map(HeaderValue::Int),
        proptest::num::f32::ANY.prop_map(HeaderValue::Float),
        proptest::num::f64::ANY.prop_map(HeaderValue::Double),
        (any::<u8>(), any::<u32>())
            .prop_map(|(scale, mantissa)| HeaderValue::Decimal { scale, mantissa }),
        any::<String>().prop_map(HeaderValue::Text),
        any::<Vec<u8>>().prop_map(HeaderValue::Binary),
        any::<Vec<u8>>().prop_map(HeaderValue::ByteArray),
        any::<u64>().prop_map(HeaderValue::Timestamp),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(HeaderValue::List),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(HeaderValue::Table),
        ]
    })
}
