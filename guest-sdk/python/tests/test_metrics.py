"""Figures of a belt's own."""

import unittest

from grnry_belt import metrics


class Metrics(unittest.TestCase):
    def setUp(self):
        self.seen = []
        metrics.install(lambda *figure: self.seen.append(figure))
        self.addCleanup(metrics.install, None)

    def test_figures_carry_their_labels_as_text(self):
        metrics.increment("orders_total")
        metrics.increment("orders_total", 3, country="DE", name="a label may be called name")
        metrics.gauge("open_carts", 17, shard=2)
        metrics.observe("value_eur", 41.97)
        self.assertEqual(
            self.seen,
            [
                ("counter", "orders_total", 1.0, []),
                ("counter", "orders_total", 3.0, [("country", "DE"), ("name", "a label may be called name")]),
                ("gauge", "open_carts", 17.0, [("shard", "2")]),
                ("histogram", "value_eur", 41.97, []),
            ],
        )

    def test_what_is_no_figure_is_refused_where_it_is_reported(self):
        for wrong in (-1, 1.5, True, "2"):
            with self.assertRaises(ValueError):
                metrics.increment("orders_total", wrong)
        with self.assertRaises(TypeError):
            metrics.gauge(7, 1)
        with self.assertRaises(ValueError):
            metrics.gauge("open_carts", "many")
        self.assertEqual(self.seen, [])

    def test_outside_the_engine_nothing_happens(self):
        metrics.install(None)
        metrics.increment("orders_total")


if __name__ == "__main__":
    unittest.main()
