/// Whether the rule of this name is broken just now, so that a test can see which story notices. Always `false`
/// without the feature `mutants`, and then nothing of it is compiled.
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
