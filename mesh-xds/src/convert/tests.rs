//! Both ways: what we write we read back equal, and it is the same bytes each time.

#[cfg(all(feature = "json", feature = "peer-envoy"))]
mod envoy;
mod refusals;
pub(crate) mod strategies;

use super::{decode, encode};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use prost::Message;

/// Through the bytes, as a client gets it.
fn over_the_wire<T: Message + prost::Name + Default + PartialEq>(message: &T) -> Result<T, TestCaseError> {
    let any = encode::pack(message);
    prop_assert_eq!(&any, &encode::pack(&message.clone_by_wire()), "equal messages make equal bytes");
    decode::unpack(&any).map_err(|e| TestCaseError::fail(e.to_string()))
}

trait CloneByWire: Sized {
    fn clone_by_wire(&self) -> Self;
}

impl<T: Message + Default> CloneByWire for T {
    fn clone_by_wire(&self) -> Self {
        T::decode(&*self.encode_to_vec()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_listener_reads_back_equal(x in strategies::listener()) {
        let wire = over_the_wire(&encode::listener(&x))?;
        prop_assert_eq!(decode::listener(&wire), Ok(x));
    }

    #[test]
    fn a_route_table_reads_back_equal(x in strategies::route_table()) {
        let wire = over_the_wire(&encode::route_table(&x))?;
        prop_assert_eq!(decode::route_table(&wire), Ok(x));
    }

    #[test]
    fn a_cluster_reads_back_equal(x in strategies::cluster()) {
        let wire = over_the_wire(&encode::cluster(&x))?;
        prop_assert_eq!(decode::cluster(&wire), Ok(x));
    }

    #[test]
    fn endpoints_read_back_equal(x in strategies::endpoints()) {
        let wire = over_the_wire(&encode::endpoints(&x))?;
        prop_assert_eq!(decode::endpoints(&wire), Ok(x));
    }
}
