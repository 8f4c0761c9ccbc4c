//! Counters that need no registry: atomics that whoever exports metrics reads by a snapshot.

/// Defines a family of counters: a cheap handle to shared atomics, and a plain struct of their values.
macro_rules! counters {
    (
        $(#[$doc:meta])* $family:ident / $values:ident {
            $($(#[$field_doc:meta])* $field:ident,)*
        }
    ) => {
        $(#[$doc])*
        ///
        /// Clones share their values; `Default` works unregistered.
        #[derive(Clone, Debug, Default)]
        pub struct $family(std::sync::Arc<Atomics>);

        #[derive(Debug, Default)]
        struct Atomics { $($field: std::sync::atomic::AtomicU64,)* }

        #[doc = concat!("The values of [`", stringify!($family), "`] at one moment.")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $values { $($(#[$field_doc])* pub $field: u64,)* }

        impl $family {
            /// The values now.
            pub fn snapshot(&self) -> $values {
                $values { $($field: self.0.$field.load(std::sync::atomic::Ordering::Relaxed),)* }
            }

            $(pub(super) fn $field(&self) {
                self.0.$field.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            })*
        }
    };
}
pub(crate) use counters;
