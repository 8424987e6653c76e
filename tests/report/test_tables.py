"""Tables as text."""

from idml_jax import report


def test_a_file_of_a_table_quotes_what_it_must_and_leaves_what_is_missing_empty():
    found = report.csv_text(("name", "value"), [("a, b", 1.5), ("c", None)])
    assert found == 'name,value\n"a, b",1.5\nc,\n'


def test_columns_are_as_wide_as_their_widest_cell_and_no_line_ends_in_blanks():
    found = report.aligned_text([("name", "value"), ("porosity", ""), ("k", "2.9e-13")])
    assert found == "name      value\nporosity\nk         2.9e-13"
