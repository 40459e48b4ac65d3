//! What every database must do to record who was shown what.

pub mod recording;

use order_worker::service_layer::PiiAccessLog;

use crate::store_contract::TestDatabase;

/// A database that keeps disclosures.
pub trait WithDisclosures: TestDatabase {
    type PiiAccessLog: PiiAccessLog;

    fn disclosures(&self) -> Self::PiiAccessLog;
}

/// Makes a test of each claim, for one kind of database.
macro_rules! disclosure_contract {
    ($database:ty $(, #[$attribute:meta])*) => {
        $crate::store_contract::claims! { disclosure_contract, $database, [$(#[$attribute])*],
            recording::a_disclosure_comes_back_as_it_went,
            recording::the_latest_come_first_and_no_more_than_asked_for,
            recording::each_order_has_its_own,
        }
    };
}

pub(crate) use disclosure_contract;
