//! What every database must do to record who saw an e-mail address.

use order_worker::service_layer::PiiAccessLog;

use crate::store_contract::TestDatabase;

/// A database with a PII access log.
pub trait WithPiiAccessLog: TestDatabase {
    type PiiAccessLog: PiiAccessLog;

    fn pii_access_log(&self) -> Self::PiiAccessLog;
}

/// Makes a test of each claim, for one kind of database.
macro_rules! pii_access_contract {
    ($database:ty $(, #[$attribute:meta])*) => {
        $crate::store_contract::claims! { pii_access_contract, $database, [$(#[$attribute])*],
            claims::a_recorded_access_is_read_back_unchanged,
            claims::the_latest_accesses_come_first_up_to_the_limit,
            claims::each_order_has_its_own_accesses,
        }
    };
}

pub(crate) use pii_access_contract;

pub mod claims {
    use order_worker::service_layer::{PiiAccess, PiiAccessLog};

    use super::WithPiiAccessLog;
    use crate::support::clock::moment;
    use crate::support::messages::id;

    pub async fn a_recorded_access_is_read_back_unchanged<D: WithPiiAccessLog>(database: &D) {
        let recorded = access("ada", "it's <b>\"14\"</b>");

        database.pii_access_log().record_access(&recorded).await.unwrap();

        assert_eq!(accesses(database, "it's <b>\"14\"</b>", 10).await, [recorded]);
    }

    pub async fn the_latest_accesses_come_first_up_to_the_limit<D: WithPiiAccessLog>(database: &D) {
        for who in ["ada", "bob", "cy"] {
            database.pii_access_log().record_access(&access(who, "14")).await.unwrap();
        }

        assert_eq!(accesses(database, "14", 2).await, [access("cy", "14"), access("bob", "14")]);
    }

    pub async fn each_order_has_its_own_accesses<D: WithPiiAccessLog>(database: &D) {
        database.pii_access_log().record_access(&access("ada", "14")).await.unwrap();

        assert_eq!(accesses(database, "1", 10).await, []);
    }

    fn access(who: &str, order_id: &str) -> PiiAccess {
        let at = moment("2026-11-20T03:07:00.123456Z");
        PiiAccess { at, who: who.to_owned(), order_id: id(order_id) }
    }

    async fn accesses<D: WithPiiAccessLog>(
        database: &D,
        order_id: &str,
        limit: u32,
    ) -> Vec<PiiAccess> {
        database.pii_access_log().accesses(&id(order_id), limit).await.unwrap()
    }
}
