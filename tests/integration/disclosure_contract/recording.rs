//! What was recorded is there.

use order_worker::service_layer::{PiiAccess, PiiAccessLog};

use super::WithDisclosures;
use crate::support::clock::moment;
use crate::support::messages::id;

pub async fn a_disclosure_comes_back_as_it_went<D: WithDisclosures>(database: &D) {
    let shown = disclosure("ada", "it's <b>\"14\"</b>");

    database.disclosures().record_disclosure(&shown).await.unwrap();

    assert_eq!(of(database, "it's <b>\"14\"</b>", 10).await, [shown]);
}

pub async fn the_latest_come_first_and_no_more_than_asked_for<D: WithDisclosures>(database: &D) {
    for who in ["ada", "bob", "cy"] {
        database.disclosures().record_disclosure(&disclosure(who, "14")).await.unwrap();
    }

    assert_eq!(of(database, "14", 2).await, [disclosure("cy", "14"), disclosure("bob", "14")]);
}

pub async fn each_order_has_its_own<D: WithDisclosures>(database: &D) {
    database.disclosures().record_disclosure(&disclosure("ada", "14")).await.unwrap();

    assert_eq!(of(database, "1", 10).await, []);
}

fn disclosure(who: &str, order_id: &str) -> PiiAccess {
    let at = moment("2026-11-20T03:07:00.123456Z");
    PiiAccess { at, who: who.to_owned(), order_id: id(order_id) }
}

async fn of<D: WithDisclosures>(database: &D, order_id: &str, limit: u32) -> Vec<PiiAccess> {
    database.disclosures().disclosures(&id(order_id), limit).await.unwrap()
}
