//! Contenders with all that makes them recognisable; elsewhere only their names stand.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use crate::scenario::{ContenderId, Identity};

pub(super) fn serialize<S: Serializer>(ids: &[ContenderId], to: S) -> Result<S::Ok, S::Error> {
    ids.iter().map(ContenderId::identity).collect::<Vec<_>>().serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<ContenderId>, D::Error> {
    Ok(ContenderId::all(Vec::<Identity>::deserialize(from)?))
}
