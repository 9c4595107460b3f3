/// Whether a test has broken the rule of this name, to see which story notices. Without the feature `mutants` this is
/// always `false`, and nothing of it is compiled.
macro_rules! broken {
    ($name:expr) => {{
        #[cfg(feature = "mutants")]
        {
            crate::testkit::mutants::is_broken($name)
        }
        #[cfg(not(feature = "mutants"))]
        {
            false
        }
    }};
}
