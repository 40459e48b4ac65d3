//! What the decoder rejects, and with which error.

use super::*;

#[test]
fn a_body_without_bytes_is_refused() {
    assert_eq!(refused("").0, DeadLetterCode::EmptyBody);
}

#[test]
fn a_body_of_256_kib_is_taken_and_one_byte_more_is_not() {
    let mut body = an_order().into_bytes();
    body.resize(MAX_BODY_BYTES, b' ');
    assert!(decoded("order.place", body.clone()).result.is_ok());

    body.push(b' ');
    assert_eq!(refused(body).0, DeadLetterCode::TooLarge);
    assert_eq!(refused(vec![b'['; 16 << 20]).0, DeadLetterCode::TooLarge);
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let utf16 = an_order().encode_utf16().flat_map(u16::to_be_bytes).chain([0xd8]).collect();
    let latin1 = b"{\"order_id\": \"\xfc\"}".to_vec();
    let surrogate = b"{\"order_id\": \"\xed\xa0\x80\"}".to_vec();
    for body in [utf16, latin1, surrogate, vec![0xff, 0xfe, b'{', 0, b'}', 0]] {
        assert_eq!(refused(body).0, DeadLetterCode::NotUtf8);
    }
}

#[test]
fn a_compressed_body_is_refused_by_the_name_of_its_encoding() {
    let gzip: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
    for (content_encoding, body, named) in [
        (None, gzip, "gzip"),
        (Some("gzip"), gzip, "gzip"),
        (Some("X-GZIP"), gzip, "gzip"),
        (Some("utf-8"), gzip, "gzip"),
        (Some("deflate"), &[0x78, 0x9c], "deflate"),
        (Some("base64"), b"e30=", "base64"),
        (Some("rot13"), b"{\"beqre_vq\"", "the content_encoding that it names"),
    ] {
        let properties = Properties {
            content_encoding: content_encoding.map(str::to_owned),
            ..Properties::default()
        };
        let envelope = Envelope { properties, ..envelope("order.place", body) };
        let detail = format!("the body is encoded with {named}; send plain JSON");
        assert_eq!(refusal(decode(&envelope)), (DeadLetterCode::UnsupportedEncoding, detail));
    }
}

#[test]
fn a_plain_body_is_taken_whatever_its_content_encoding_says() {
    for content_encoding in ["gzip", "utf-8", "binary", ""] {
        let content_encoding = text(content_encoding);
        let properties = Properties { content_encoding, ..Properties::default() };
        assert!(with_properties(properties, &an_order()).result.is_ok());
    }
}

#[test]
fn a_body_that_was_encoded_twice_is_refused_as_such() {
    let twice = serde_json::to_string(&an_order()).unwrap();

    let (code, detail) = refused(twice);

    assert_eq!(code, DeadLetterCode::UnsupportedEncoding);
    assert_eq!(detail, "the body is a JSON text that contains JSON: it was encoded twice");
}

#[test]
fn an_envelope_of_a_framework_is_refused_by_its_name() {
    let order = an_order();
    for (body, name) in [
        (
            format!(r#"{{"messageType": ["urn:message:Shop:PlaceOrder"], "message": {order}}}"#),
            "MassTransit",
        ),
        (
            format!(r#"{{"specversion": "1.0", "type": "PlaceOrder", "data": {order}}}"#),
            "CloudEvents",
        ),
        (
            r#"{"specversion": "1.0", "type": "PlaceOrder", "data_base64": "e30="}"#.to_owned(),
            "CloudEvents",
        ),
        (format!(r#"[[{order}], {{}}, {{"callbacks": null, "chain": null}}]"#), "Celery"),
        (format!(r#"{{"task": "shop.place", "args": [{order}], "kwargs": {{}}}}"#), "Celery"),
    ] {
        let detail = format!("the body is an envelope of {name}; send the command alone");
        assert_eq!(refused(body), (DeadLetterCode::UnsupportedEnvelope, detail));
    }
}

#[test]
fn a_command_with_fields_of_an_envelope_is_taken() {
    let order = an_order().replacen('{', r#"{"specversion": "1.0", "data": {}, "#, 1);
    assert!(decoded("order.place", order).result.is_ok());
}

/// A publisher that may only publish `order.place` must not be able to cancel orders.
#[test]
fn a_type_that_differs_from_the_command_of_the_routing_key_is_refused() {
    let property = Properties { kind: text("CancelOrder"), ..Properties::default() };
    let cases = [
        (with_properties(property, r#"{"order_id": 7}"#), "property"),
        (decoded("order.place", r#"{"order_id": 7, "type": "cancel-order"}"#), "field"),
    ];
    for (decoded, place) in cases {
        let detail = format!("the routing key names PlaceOrder, the {place} type CancelOrder");
        assert_eq!(refusal(decoded), (DeadLetterCode::CommandMismatch, detail));
    }
}

#[test]
fn a_routing_key_that_names_no_command_leaves_the_choice_to_the_type() {
    for routing_key in ["", "orders.commands", "order", "shop.order.place"] {
        let decoded = decoded(routing_key, r#"{"order_id": 7, "type": "CancelOrder"}"#);
        assert_eq!(decoded.kind, Some(CommandKind::CancelOrder), "{routing_key}");
    }
}

#[test]
fn what_is_not_exactly_one_json_text_is_refused() {
    let order = an_order();
    let half = &order[..order.len() / 2];
    for body in [
        " ",
        "order 7",
        half,
        &format!("\u{feff}{order}"),
        &format!("{order}{order}"),
        &format!("{order} x"),
        &format!("{order}\0"),
        &order_with("total", "NaN"),
        &order_with("total", "1_000.5"),
        &order_with("total", "012.50"),
        &order_with("total", "+1"),
        &order_with("total", ".5"),
        &order_with("total", "Infinity"),
        &order_with("total", "'1'"),
        &order_with("order_customer.name", "\"a\nb\""),
        &order_with("order_customer.name", r#""\x41""#),
        &order_with("total", "1 // the sum"),
        &order_with("total", "1,"),
        "<order/>",
        "\u{0}",
    ] {
        assert_eq!(refused(body).0, DeadLetterCode::MalformedJson, "{body}");
    }
}

#[test]
fn utf16_without_marks_is_utf8_and_yet_no_json() {
    let body: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();

    assert_eq!(refused(body).0, DeadLetterCode::MalformedJson);
}

#[test]
fn a_position_is_told_of_what_is_not_json() {
    let (_, detail) = refused("{\"order_id\":\n  oops}");

    assert_eq!(detail, "the body is not JSON: expected value at line 2 column 3");
}

#[test]
fn a_lone_surrogate_is_refused_wherever_it_stands() {
    let expected = "a text in the body escapes a lone surrogate".to_owned();
    for body in [
        order_with("order_customer.name", r#""\ud800""#),
        order_with("order_customer.name", r#""\udc00\ud800""#),
        order_with("total", r#"1, "unknown": ["\ud83d x"]"#),
        order_with("total", r#"1, "\udfff": 1"#),
    ] {
        assert_eq!(refused(body), (DeadLetterCode::MalformedJson, expected.clone()));
    }
}

/// A cancellation with an unknown field nested this deep, including the body.
fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
    format!(r#"{{"order_id": 7, "unknown": {open}{close}}}"#)
}

#[test]
fn a_body_nests_32_levels_deep_at_most() {
    assert!(decoded("order.cancel", nested(32)).result.is_ok());

    let (code, detail) = refusal(decoded("order.cancel", nested(33)));
    assert_eq!(code, DeadLetterCode::MalformedJson);
    assert_eq!(detail, "the body nests more than 32 levels deep");
}

#[test]
fn a_hundred_thousand_levels_do_not_use_up_the_stack() {
    let bodies = [nested(100_000), "[".repeat(100_000), r#"{"a":"#.repeat(50_000)];
    let decode_all = move || bodies.map(|body| refused(body).0);

    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(decode_all).unwrap();

    assert_eq!(thread.join().unwrap(), [DeadLetterCode::MalformedJson; 3]);
}

#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    for (body, detail) in [
        (r#"{"order_id": 7, "order_id": 7}"#, "order_id stands twice in one object"),
        (r#"{"order_id": 7, "\u006frder_id": 8}"#, "order_id stands twice in one object"),
        (r#"{"order_id": 7, "x": [{"a": 1, "b": 2, "a": 3}]}"#, "a stands twice in one object"),
        (r#"{"order_id": 7, "": 1, "": 1}"#, "a key stands twice in one object"),
        (r#"{"a@b.org": 1, "c": 1, "a@b.org": 1}"#, "a key stands twice in one object"),
    ] {
        let refusal = refusal(decoded("order.cancel", body));
        assert_eq!(refusal, (DeadLetterCode::DuplicateKey, detail.to_owned()));
    }
}

#[test]
fn keys_that_only_look_alike_are_different() {
    let body = r#"{"order_id": 7, "Order_Id": 8, "order_id ": 9, "оrder_id": 10}"#;

    let decoded = decoded("order.cancel", body);

    assert_eq!(decoded.deviations.unknown_fields, 3);
    assert_eq!(decoded.result.unwrap().command.order_id().unwrap().as_str(), "7");
}

#[test]
fn an_object_of_many_keys_is_read_without_comparing_each_with_each() {
    let keys: Vec<String> = (0..20_000).map(|key| format!(r#""{key}":0"#)).collect();
    let body = format!(r#"{{"order_id": 7, {}}}"#, keys.join(","));

    let decoded = decoded("order.cancel", body);

    assert_eq!(decoded.deviations.unknown_fields, 20_000);
    assert!(decoded.result.is_ok());
}

#[test]
fn a_body_that_is_not_an_object_is_rejected() {
    for body in ["null", "true", "7", r#""order""#, "[]", "[[7, null]]"] {
        let expected = (DeadLetterCode::InvalidField, "the body must be an object".to_owned());
        assert_eq!(refused(body), expected);
    }
}

#[test]
fn an_order_within_an_array_is_not_an_order() {
    let customer = r#"["14", "Ada", "ada@example.org"]"#;
    let body = format!(r#"{{"order_id": 7, "order_customer": {customer}, "items": []}}"#);

    assert_eq!(refused(body).1, "order_customer must be an object");
}

#[test]
fn a_missing_or_null_field_is_named_with_its_path() {
    for (field, _) in FIELDS {
        if ["order_id", "total"].contains(&field) {
            continue;
        }
        let expected = (DeadLetterCode::MissingField, format!("{field} is missing"));
        assert_eq!(refused(order_with(field, "null")), expected);
        let name = field.rsplit('.').next().unwrap();
        let renamed = an_order().replacen(&format!(r#""{name}""#), r#""other""#, 1);
        assert_eq!(refused(renamed).0, DeadLetterCode::MissingField);
    }
    assert_eq!(refused("{}").1, "order_customer is missing");
    assert_eq!(refusal(decoded("order.cancel", "{}")).1, "order_id is missing");
    let body = r#"{"order_id": 7}"#;
    assert_eq!(refusal(decoded("order.set_status", body)).1, "status is missing");
}

const WHOLE: &str = "must be a whole number from 1 to 2147483647";
const IDENTIFIER: &str = "must be text or an integer";
const CONTROL: &str = "must not contain control characters";

#[test]
fn a_wrong_field_is_named_with_its_path_and_its_rule() {
    let too_long_id = format!(r#""{}""#, "x".repeat(300));
    let too_long_name = format!(r#""{}""#, "x".repeat(201));
    let too_long_email = format!(r#""{}""#, "x".repeat(321));
    let four_hundred_digits = "9".repeat(400);
    for (field, raw, rule) in [
        ("order_id", "1.0", IDENTIFIER),
        ("order_id", "1e2", IDENTIFIER),
        ("order_id", "-0", IDENTIFIER),
        ("order_id", "true", IDENTIFIER),
        ("order_id", "[1]", IDENTIFIER),
        ("order_id", "{}", IDENTIFIER),
        ("order_id", r#""""#, "must not be empty"),
        ("order_id", r#""a\u0000b""#, CONTROL),
        ("order_id", r#""a\r\nb""#, CONTROL),
        ("order_id", r#""\u001b[31m""#, CONTROL),
        ("order_id", &too_long_id, "must have at most 64 characters, has 300"),
        ("order_id", &four_hundred_digits, "must have at most 64 characters, has 400"),
        ("order_customer.customer_id", r#""\u0085""#, CONTROL),
        ("items[0].product_id", "false", IDENTIFIER),
        ("order_customer.name", "14", "must be text"),
        ("order_customer.name", r#""a\u0000""#, "must not contain the NUL character"),
        ("order_customer.name", &too_long_name, "must have at most 200 characters, has 201"),
        ("order_customer.email", &too_long_email, "must have at most 320 characters, has 321"),
        ("order_customer.email", r#"{"a": 1}"#, "must be text"),
        ("items[0].name", "[]", "must be text"),
        ("items[0].quantity", "0", WHOLE),
        ("items[0].quantity", "-1", WHOLE),
        ("items[0].quantity", "-0", WHOLE),
        ("items[0].quantity", "2.5", WHOLE),
        ("items[0].quantity", "2.00000000000000000001", WHOLE),
        ("items[0].quantity", "2147483648", WHOLE),
        ("items[0].quantity", "9223372036854775808", WHOLE),
        ("items[0].quantity", "1e400", WHOLE),
        ("items[0].quantity", &four_hundred_digits, WHOLE),
        ("items[0].quantity", r#""two""#, WHOLE),
        ("items[0].quantity", r#""""#, WHOLE),
        ("items[0].quantity", r#"" 2""#, WHOLE),
        ("items[0].quantity", r#""٢""#, WHOLE),
        ("items[0].quantity", "true", WHOLE),
        ("items[0].price_per_unit", "10.005", "must have at most 2 decimals"),
        ("items[0].price_per_unit", "1e-400", "must have at most 2 decimals"),
        ("items[0].price_per_unit", "1e400", "must be below 10000000000"),
        ("items[0].price_per_unit", "10000000000", "must be below 10000000000"),
        ("items[0].price_per_unit", &four_hundred_digits, "must be below 10000000000"),
        ("items[0].price_per_unit", "-1", "must not be negative"),
        ("items[0].price_per_unit", "-0.0", "must not be negative"),
        ("items[0].price_per_unit", r#""12,50""#, "must be a decimal number such as 12.50"),
        ("items[0].price_per_unit", r#""1_000.5""#, "must be a decimal number such as 12.50"),
        ("items[0].price_per_unit", r#""NaN""#, "must be a decimal number such as 12.50"),
        ("items[0].price_per_unit", "{}", "must be a number, or a number in a text"),
        ("total", r#""€ 5""#, "must be a decimal number such as 12.50"),
        ("total", "false", "must be a number, or a number in a text"),
    ] {
        let expected = (DeadLetterCode::InvalidField, format!("{field} {rule}"));
        assert_eq!(refused(order_with(field, raw)), expected, "{raw}");
    }
}

#[test]
fn an_unknown_status_is_rejected() {
    for raw in
        ["0", "7", "-1", "3.5", r#""""#, r#""Paid""#, "true", "[3]", "1e400", r#""Рeceived""#]
    {
        let body = format!(r#"{{"order_id": 7, "status": {raw}}}"#);
        let (code, detail) = refusal(decoded("order.set_status", body));
        assert_eq!(code, DeadLetterCode::InvalidField, "{raw}");
        assert!(detail.starts_with("status must be one of Received, "), "{detail}");
    }
}

#[test]
fn an_invalid_item_is_named_by_its_index() {
    let good = r#"{"product_id": 1, "name": "", "quantity": 1, "price_per_unit": 1}"#;
    let bad = good.replace(r#""quantity": 1"#, r#""quantity": 0"#);
    let body = order_of_items(&[good, good, good, &bad].join(","));

    assert_eq!(refused(body).1, format!("items[3].quantity {WHOLE}"));
    assert_eq!(refused(order_of_items(&format!("{good},7"))).1, "items[1] must be an object");
}

#[test]
fn an_order_has_1_to_500_items() {
    let many = |count| order_of_items(&vec!["0"; count].join(","));
    for count in [0, 501, 100_000] {
        let detail = format!("items must have 1 to 500 items, has {count}");
        assert_eq!(refused(many(count)), (DeadLetterCode::InvalidField, detail));
    }
    let body = order_of_items("").replace("[]", r#"{"0": {}}"#);
    assert_eq!(refused(body).1, "items must be an array");
}

#[test]
fn a_sum_beyond_the_maximum_total_is_rejected() {
    let body = order_with("items[0].price_per_unit", "9999999999").replace("25.00", "null");
    let detail = "total is missing, and the items' sum must be below 10000000000".to_owned();

    assert_eq!(refused(body), (DeadLetterCode::InvalidField, detail));
}

#[test]
fn no_detail_contains_values_of_the_message() {
    let secret = "5ECRET";
    for (field, _) in FIELDS {
        let long = format!(r#""{}""#, secret.repeat(80));
        for raw in
            [r#""5ECRET\u0000""#, r#"{"5ECRET": "5ECRET"}"#, r#"["5ECRET"]"#, "5ECRET", &long]
        {
            let (_, detail) = refused(order_with(field, raw));
            assert!(!detail.contains(secret), "{detail}");
        }
    }
    let twice = order_with("total", r#"1, "5ECRET@example.org": 1, "5ECRET@example.org": 1"#);
    let unknown = r#"{"type": "5ECRET"}"#.to_owned();
    for body in [twice, unknown] {
        assert!(!refused(body).1.contains(secret));
    }
    for property in ["message_id", "correlation_id", "reply_to", "kind"] {
        let mut properties = Properties::default();
        let field = match property {
            "message_id" => &mut properties.message_id,
            "correlation_id" => &mut properties.correlation_id,
            "reply_to" => &mut properties.reply_to,
            _ => &mut properties.kind,
        };
        *field = text("5ECRET\u{0}");
        assert!(!refusal(with_properties(properties, &an_order())).1.contains(secret));
    }
}
