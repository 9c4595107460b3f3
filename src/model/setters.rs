//! How does a host fill in a record? With one style of setter for every type that it builds.
//!
//! Each line of [`setters`] names what the setter does, the method, the field and the type of its
//! argument; the documentation of the field is the documentation of the setter.
//!
//! | line | argument | effect on the field |
//! |---|---|---|
//! | `value` | the value | replaces it |
//! | `some` | the plain value | becomes `Some` of it |
//! | `none` | none | becomes `None` |
//! | `each` | anything iterable | grows by its items |
//! | `one` | one item | grows by it |
//! | `kind`, `kinds` | one kind of hardware, a set of kinds, or any iterator of kinds | grows by them |
//! | `amount` | a resource and an amount | sets the amount of this resource |
//! | `entry` | a key and a value | sets the value of this key |

/// Builder methods that take and give back the record by value.
macro_rules! setters {
    ($owner:ident { $($does:ident $method:ident($field:ident $(: $of:ty $(, $and:ty)?)?);)+ }) => {
        impl $owner {
            $($crate::model::setters::setter!($does $method $field $($of $(, $and)?)?);)+
        }
    };
}

macro_rules! setter {
    (value $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Sets [`", $field, $method($field: $of), |record| record.$field = $field
        }
    };
    (some $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Sets [`", $field, $method($field: $of), |record| record.$field = Some($field)
        }
    };
    (none $method:ident $field:ident) => {
        $crate::model::setters::setter! {
            "Sets to `None`: [`", $field, $method(), |record| record.$field = None
        }
    };
    (each $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Adds to [`", $field, $method($field: impl IntoIterator<Item = $of>),
            |record| record.$field.extend($field)
        }
    };
    (one $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Adds one to [`", $field, $method(item: $of), |record| record.$field.push(item)
        }
    };
    (kinds $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Adds to [`", $field, $method($field: impl IntoIterator<Item = $of>),
            |record| for kind in $field { record.$field = record.$field.with(kind); }
        }
    };
    (kind $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Adds one kind, or a set of kinds, to [`", $field, $method(kinds: impl Into<$of>),
            |record| record.$field = record.$field.union(kinds.into())
        }
    };
    (amount $method:ident $field:ident $of:ty) => {
        $crate::model::setters::setter! {
            "Sets one resource of [`", $field, $method(resource: $of, amount: f64),
            |record| record.$field.set(resource, amount)
        }
    };
    (entry $method:ident $field:ident $of:ty, $and:ty) => {
        $crate::model::setters::setter! {
            "Sets one entry of [`", $field, $method(key: $of, value: $and),
            |record| { record.$field.insert(key, value); }
        }
    };
    (
        $doc:literal, $field:ident, $method:ident($($name:ident: $of:ty),*),
        |$record:ident| $change:expr
    ) => {
        #[doc = concat!($doc, stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $method(mut self, $($name: $of),*) -> Self {
            let $record = &mut self;
            $change;
            self
        }
    };
}

pub(crate) use {setter, setters};
