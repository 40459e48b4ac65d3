//! What the decoder accepts, and what it makes of it.

use super::*;

#[test]
fn the_shops_own_order_is_accepted_unchanged() {
    let item = |id: &str, name: &str, price: &str| Item {
        product_id: ProductId::new(id).unwrap(),
        name: Name::new(name).unwrap(),
        quantity: Quantity::try_from(2).unwrap(),
        price_per_unit: money(price),
    };

    let decoded = decoded("order.place", THE_STORES_ORDER);

    let expected = PlaceOrder {
        order_id: Some(OrderId::new("1").unwrap()),
        customer: Customer {
            customer_id: CustomerId::new("14").unwrap(),
            name: Name::new("Test User").unwrap(),
            email: Email::new("test@test.com").unwrap(),
        },
        items: vec![item("1", "Prod 001", "10"), item("2", "Prod 002", "12")].try_into().unwrap(),
        total: money("190"),
    };
    assert_eq!(decoded.result.unwrap().command, Command::PlaceOrder(expected));
    assert_eq!(decoded.kind, Some(CommandKind::PlaceOrder));
    assert_eq!(decoded.deviations, Deviations { total_differs: true, ..Deviations::default() });
}

#[test]
fn the_other_commands_are_read() {
    let order_id = || OrderId::new("7").unwrap();
    let cases = [
        (
            "order.cancel",
            r#"{"order_id": 7, "reason": "bought twice"}"#,
            Command::CancelOrder(CancelOrder {
                order_id: order_id(),
                reason: Some(Reason::new("bought twice").unwrap()),
            }),
        ),
        (
            "order.set_status",
            r#"{"order_id": "7", "status": "Shipping"}"#,
            Command::SetStatus(SetStatus { order_id: order_id(), status: Status::Shipping }),
        ),
        (
            "order.set_next_status",
            r#"{"order_id": 7, "from": 1}"#,
            Command::SetNextStatus(SetNextStatus {
                order_id: order_id(),
                from: Some(Status::Received),
            }),
        ),
    ];
    for (routing_key, body, command) in cases {
        assert_eq!(message(routing_key, body).command, command);
    }
}

#[test]
fn the_property_names_the_command_then_the_body_then_the_routing_key() {
    let cases = [
        (Some("CancelOrder"), r#""type": "PlaceOrder", "#, "order.cancel"),
        (Some("cancel_order"), r#""type": 5, "#, "nonsense"),
        (None, r#""type": "CANCEL-ORDER", "#, "orders"),
        (Some(""), r#""type": "cancel order", "#, "order.cancel"),
        (None, "", "order.cancel"),
        (None, r#""type": null, "#, "ORDER.Cancel"),
        (Some(""), r#""type": "", "#, "order_cancel"),
    ];
    for (property, field, routing_key) in cases {
        let mut envelope = envelope(routing_key, format!(r#"{{{field}"order_id": 7}}"#));
        envelope.properties.kind = property.map(str::to_owned);

        let decoded = decode(&envelope);

        assert_eq!(decoded.kind, Some(CommandKind::CancelOrder), "{envelope:?}");
        assert_eq!(decoded.result.unwrap().command.kind(), CommandKind::CancelOrder);
        assert_eq!(decoded.deviations, Deviations::default());
    }
}

#[test]
fn an_unknown_type_is_rejected_even_if_the_routing_key_is_known() {
    let property = Properties { kind: text("PlaceOrders"), ..Properties::default() };
    let cases = [
        (with_properties(property, &an_order()), "the property type names no command"),
        (decoded("order.place", r#"{"type": "Explode"}"#), "the field type names no command"),
        (decoded("order.explode", "{}"), "there is no type, and the routing key names no command"),
    ];
    for (decoded, detail) in cases {
        assert_eq!(decoded.kind, None);
        assert_eq!(refusal(decoded), (DeadLetterCode::UnknownCommand, detail.to_owned()));
    }
}

#[test]
fn the_kind_of_a_malformed_body_comes_from_its_properties_or_routing_key() {
    let properties = Properties { kind: text("set_status"), ..Properties::default() };
    assert_eq!(with_properties(properties, "{").kind, Some(CommandKind::SetStatus));
    assert_eq!(decoded("order.cancel", "").kind, Some(CommandKind::CancelOrder));
    assert_eq!(decoded("elsewhere", "").kind, None);
}

#[test]
fn an_identifier_is_text_or_the_exact_digits_of_an_integer() {
    for (raw, id) in [
        ("14", "14"),
        (r#""14""#, "14"),
        ("-5", "-5"),
        ("0", "0"),
        (r#""007""#, "007"),
        ("9223372036854775808", "9223372036854775808"),
        (r#""'; DROP TABLE orders; --""#, "'; DROP TABLE orders; --"),
        (r#""\u00fc\ud83d\ude00""#, "ü😀"),
    ] {
        assert_eq!(placed(&order_with("order_id", raw)).order_id.unwrap().as_str(), id);
    }
    let longest = "9".repeat(64);
    assert_eq!(placed(&order_with("order_id", &longest)).order_id.unwrap().as_str(), longest);
}

#[test]
fn integers_are_accepted_as_text_and_with_an_empty_fraction() {
    for (raw, coerced) in [
        ("2", 0),
        ("2147483647", 0),
        ("2.0", 1),
        ("2e0", 1),
        ("0.2E1", 1),
        (r#""2""#, 1),
        (r#""2.00""#, 1),
    ] {
        let decoded = decoded("order.place", order_with("items[0].quantity", raw));
        assert!(decoded.result.is_ok(), "{raw}");
        assert_eq!(decoded.deviations.coerced_fields, coerced, "{raw}");
    }
}

#[test]
fn money_is_read_exactly_from_its_digits() {
    for (raw, amount) in [
        ("10", "10.00"),
        (r#""190.00""#, "190.00"),
        ("0.10", "0.10"),
        ("10.500000", "10.50"),
        ("1.25e1", "12.50"),
        // Not exact as binary floats.
        ("9007199254.93", "9007199254.93"),
        ("1.15", "1.15"),
    ] {
        assert_eq!(placed(&order_with("total", raw)).total.to_string(), amount);
    }
}

#[test]
fn a_status_is_accepted_by_name_in_any_spelling_and_by_code() {
    for raw in [
        r#""Payment complete""#,
        r#""payment_complete""#,
        r#""PaymentComplete""#,
        "3",
        r#""3""#,
        "3.0",
    ] {
        let body = format!(r#"{{"order_id": 7, "status": {raw}}}"#);
        let Command::SetStatus(set) = message("order.set_status", &body).command else { panic!() };
        assert_eq!(set.status, Status::PaymentComplete, "{raw}");
    }
}

#[test]
fn texts_are_kept_as_they_are() {
    for name in [
        "",
        "a\r\nb\u{1b}[31m",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "{1,\"2\"}",
        "\\",
        "Größe 10½ \u{202e}",
        &"é".repeat(200),
    ] {
        let raw = serde_json::to_string(name).unwrap();
        assert_eq!(
            placed(&order_with("items[0].name", &raw)).items.iter().next().unwrap().name.as_str(),
            name
        );
    }
}

#[test]
fn the_sum_of_the_items_is_the_total_where_none_is_given() {
    let decoded = decoded("order.place", order_with("total", "null"));

    let Command::PlaceOrder(order) = decoded.result.unwrap().command else { panic!() };
    assert_eq!(order.total, money("25"));
    assert!(!decoded.deviations.total_differs);
}

#[test]
fn a_total_that_is_not_the_sum_is_kept_and_counted() {
    let decoded = decoded("order.place", order_with("total", "19.99"));

    let Command::PlaceOrder(order) = decoded.result.unwrap().command else { panic!() };
    assert_eq!(order.total, money("19.99"));
    assert!(decoded.deviations.total_differs);
}

#[test]
fn a_given_total_is_accepted_even_if_the_sum_is_too_large() {
    let body = order_with("items[0].price_per_unit", "9999999999.99");

    let decoded = decoded("order.place", body);

    assert!(decoded.result.is_ok());
    assert!(decoded.deviations.total_differs);
}

#[test]
fn unknown_fields_are_ignored_and_counted_at_every_level() {
    let body = r#"{"order_id": 7, "type": "PlaceOrder", "message_id": "m", "status": {"deep": []},
        "order_customer": {"customer_id": 1, "name": "", "email": "", "vip": true},
        "items": [{"product_id": 1, "name": "", "quantity": 1, "price_per_unit": 1, "size": 1},
                  {"product_id": 2, "name": "", "quantity": 1, "price_per_unit": 1, "Quantity": 0}],
        "coupon": {"a": 1, "b": [{"c": 1}]}, "оrder_id": "with a Cyrillic letter"}"#;

    let decoded = decoded("order.place", body);

    assert!(decoded.result.is_ok());
    assert_eq!(decoded.deviations.unknown_fields, 5);
}

#[test]
fn five_hundred_items_are_accepted() {
    let item = r#"{"product_id": 1, "name": "", "quantity": 1, "price_per_unit": 1}"#;
    let body = order_of_items(&vec![item; 500].join(","));

    assert_eq!(placed(&body).total, money("500"));
}

#[test]
fn white_space_around_and_inside_a_body_does_not_matter() {
    let body = "\n\t {\r\n \"order_id\" \t:\n 7 , \"reason\":null\r} \n";

    assert!(decoded("order.cancel", body).result.is_ok());
}

#[test]
fn content_type_and_content_encoding_are_ignored() {
    let properties = Properties {
        content_type: text("text/xml"),
        content_encoding: text("gzip"),
        ..Properties::default()
    };

    assert!(with_properties(properties, &an_order()).result.is_ok());
}
