//! The oracles are tested too: one that finds nothing must have been able to find something.

use millrace_tests::python;

#[test]
fn the_oracles_find_what_they_are_made_to_find() {
    let mut command = python::script("oracle/test_oracles.py");
    python::run(&mut command);
    let mut command = python::script("oracle/test_pipeline.py");
    python::run(&mut command);
}
