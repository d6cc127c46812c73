//! Statements at random, all of them such as can be split.

use crate::made::Random;

/// A statement, and what is fixed about the order of its rows.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) sql: String,
    /// The columns of the result whose values have a fixed order.
    pub(crate) ordered: Vec<usize>,
}

/// What the FROM clause offers.
#[derive(Clone, Copy)]
struct Names {
    from: &'static str,
    ints: &'static [&'static str],
    reals: &'static [&'static str],
    texts: &'static [&'static str],
}

const PLAIN: Names = Names {
    from: "trips",
    ints: &["id", "day", "n", "\"odd \"\"name\"\"\"", "trips.n", "DAY"],
    reals: &["x", "trips.x"],
    texts: &["place", "label", "Trips.Label"],
};

const JOINED: [Names; 6] = [
    Names {
        from: "trips t JOIN places p ON t.place = p.place",
        ints: &["id", "t.day", "n", "size", "p.size"],
        reals: &["x", "lat", "t.x"],
        texts: &["t.place", "label", "town", "p.place"],
    },
    Names {
        from: "trips t LEFT JOIN places p USING (place)",
        ints: &["id", "day", "n", "size", "p.size"],
        reals: &["x", "lat"],
        texts: &["place", "label", "town"],
    },
    Names {
        from: "kinds k, trips t",
        ints: &["id", "day", "n", "rest"],
        reals: &["x"],
        texts: &["place", "label", "kind"],
    },
    Names {
        from: "trips NATURAL JOIN places",
        ints: &["id", "day", "n", "size"],
        reals: &["x", "lat"],
        texts: &["place", "label", "town"],
    },
    Names {
        from: "places AS \"P\" JOIN trips ON \"P\".place = trips.place LEFT JOIN kinds ON trips.day % 4 = rest",
        ints: &["id", "day", "n", "size", "rest"],
        reals: &["x", "lat"],
        texts: &["trips.place", "label", "town", "kind"],
    },
    Names {
        from: "trips t CROSS JOIN kinds",
        ints: &["t.id", "day", "n", "rest", "kinds.rest"],
        reals: &["x"],
        texts: &["place", "label", "kind"],
    },
];

pub(crate) struct Generator<'r> {
    random: &'r mut Random,
    names: Names,
}

impl<'r> Generator<'r> {
    pub(crate) fn new(random: &'r mut Random) -> Self {
        Self {
            random,
            names: PLAIN,
        }
    }

    pub(crate) fn statement(&mut self) -> Generated {
        self.names = match self.random.below(12) {
            at @ 0..6 => JOINED[at],
            _ => PLAIN,
        };
        match self.random.below(10) {
            0..2 => self.rows(),
            2..4 => self.distinct(),
            _ => self.groups(),
        }
    }

    fn rows(&mut self) -> Generated {
        let mut items = self.scalars(1, 4);
        // Now and then all columns; then no order is asked for, because nobody knows how many there are.
        if self.random.one_in(6) {
            let condition = self.condition();
            let from = self.names.from;
            return Generated {
                sql: format!("SELECT * FROM {from}{condition}"),
                ordered: Vec::new(),
            };
        }
        if self.random.one_in(3) {
            items.push(self.subquery());
        }
        self.finish("", items, "", &[])
    }

    fn distinct(&mut self) -> Generated {
        let items = self.scalars(1, 3);
        self.finish("DISTINCT ", items, "", &[])
    }

    fn groups(&mut self) -> Generated {
        let count = self.random.below(4);
        let keys: Vec<_> = (0..count).map(|_| self.scalar()).collect();
        let mut items = Vec::new();
        for key in &keys {
            if !self.random.one_in(4) {
                items.push(key.clone());
            }
        }
        let places = items.len();
        for _ in 0..=self.random.below(3) {
            items.push(self.over_aggregates(&keys));
        }
        let mut middle = String::new();
        if !keys.is_empty() {
            // Some of them by the number of the column.
            let mut terms = keys.clone();
            if places == keys.len() && self.random.one_in(3) {
                terms[0] = "1".to_owned();
            }
            middle = format!(" GROUP BY {}", terms.join(", "));
        }
        if self.random.one_in(3) {
            let left = self.over_aggregates(&keys);
            let right = self.random.below(50);
            let op = self.random.pick(&["<", ">", ">=", "<>"]);
            middle += &format!(" HAVING {left} {op} {right}");
            if let Some(key) = keys.first().filter(|_| self.random.one_in(2)) {
                middle += &format!(" AND ({key}) IS NOT NULL");
            }
        }
        let distinct = if self.random.one_in(8) {
            "DISTINCT "
        } else {
            ""
        };
        let extra = if distinct.is_empty() { &keys[..] } else { &[] };
        self.finish(distinct, items, &middle, extra)
    }

    /// Puts a statement together; `extra` is what else it may be ordered by.
    fn finish(
        &mut self,
        distinct: &str,
        items: Vec<String>,
        middle: &str,
        extra: &[String],
    ) -> Generated {
        let condition = self.condition();
        let from = self.names.from;
        let shown: Vec<_> = (items.iter().enumerate())
            .map(|(at, item)| match self.random.below(3) {
                0 => format!("{item} AS a{at}"),
                _ => item.clone(),
            })
            .collect();
        let mut sql = format!(
            "SELECT {distinct}{} FROM {from}{condition}{middle}",
            shown.join(", ")
        );
        // Sums of `r` come out a little different, and may change places.
        let is_inexact = |at: &usize| items[*at].contains("(r)");
        let inexact = (0..items.len()).filter(is_inexact).count();
        let mut ordered = Vec::new();
        if self.random.one_in(3) || inexact > 0 {
            return Generated { sql, ordered };
        }
        let mut terms = Vec::new();
        let mut is_by_output = true;
        for _ in 0..=self.random.below(2) {
            let at = self.random.below(items.len());
            let term = match self.random.below(4) {
                0 if shown[at].ends_with(&format!(" AS a{at}")) => format!("a{at}"),
                1 => items[at].clone(),
                2 if !extra.is_empty() => {
                    is_by_output = false;
                    extra[self.random.below(extra.len())].clone()
                }
                _ => (at + 1).to_string(),
            };
            // A number that stands alone is the place of a column.
            let is_place = term == (at + 1).to_string();
            let is_number = term.parse::<f64>().is_ok();
            if is_number && !is_place {
                continue;
            }
            // COLLATE binds more tightly than most operators.
            let term = if is_place { term } else { format!("({term})") };
            let collate = self.random.pick(&["", "", "", " COLLATE NOCASE"]);
            is_by_output &= collate.is_empty();
            if is_by_output && !ordered.contains(&at) {
                ordered.push(at);
            }
            let direction =
                self.random
                    .pick(&["", " DESC", " ASC", " NULLS LAST", " DESC NULLS FIRST"]);
            terms.push(format!("{term}{collate}{direction}"));
        }
        let is_total = terms.is_empty() || self.random.one_in(2);
        if is_total {
            // All columns, so that rows of the same place are the same.
            terms.extend((1..=items.len()).map(|place| place.to_string()));
            ordered = (0..items.len()).collect();
        }
        sql += &format!(" ORDER BY {}", terms.join(", "));
        if is_total && self.random.one_in(2) {
            sql += &format!(" LIMIT {}", self.random.below(12));
            if self.random.one_in(2) {
                sql += &format!(" OFFSET {}", self.random.below(20));
            }
        }
        // Which of two rows comes first is only fixed from the first term on, without gaps.
        if !is_total {
            ordered.truncate(1);
        }
        Generated { sql, ordered }
    }

    fn scalars(&mut self, least: usize, most: usize) -> Vec<String> {
        let count = least + self.random.below(most - least + 1);
        (0..count).map(|_| self.scalar()).collect()
    }

    fn scalar(&mut self) -> String {
        match self.random.below(6) {
            0 | 1 => self.int(2),
            2 => self.real(1),
            _ => self.text(2),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        let column = self.random.pick(self.names.ints).to_owned();
        if depth == 0 {
            return column;
        }
        match self.random.below(13) {
            0..5 => column,
            5 => format!("({} + {})", self.int(depth - 1), self.int(depth - 1)),
            6 => format!("{column} * {} - {column}", self.random.below(5)),
            7 => format!("abs({})", self.int(depth - 1)),
            8 => format!("length({})", self.text(depth - 1)),
            9 => format!("coalesce({column}, {})", self.random.below(9)),
            10 => format!(
                "CASE WHEN {} THEN {column} ELSE -{} END",
                self.predicate(depth - 1),
                self.random.below(5)
            ),
            11 => format!("{column} % {}", 2 + self.random.below(6)),
            _ => format!("- {column} / {}", 1 + self.random.below(4)),
        }
    }

    fn real(&mut self, depth: usize) -> String {
        let column = self.random.pick(self.names.reals).to_owned();
        match self.random.below(6) {
            0 => format!("{column} * 2"),
            1 => format!("{column} + {}", self.int(depth)),
            2 => format!("round({column})"),
            _ => column,
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let column = self.random.pick(self.names.texts).to_owned();
        if depth == 0 {
            return column;
        }
        match self.random.below(10) {
            0..5 => column,
            5 => format!("lower({column})"),
            6 => format!(
                "substr({}, 1, {})",
                self.text(depth - 1),
                1 + self.random.below(3)
            ),
            7 => format!("{column} || '-' || {}", self.text(depth - 1)),
            8 => format!("coalesce({column}, 'none')"),
            _ => format!("CAST({} AS TEXT)", self.int(depth - 1)),
        }
    }

    /// Of tables that are in every shard.
    fn subquery(&mut self) -> String {
        let at = self.random.below(3);
        format!("(SELECT max(town) FROM places q WHERE q.size = {at})")
    }

    fn condition(&mut self) -> String {
        if self.random.one_in(3) {
            return String::new();
        }
        format!(" WHERE {}", self.predicate(2))
    }

    fn predicate(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.one_in(3) {
            let (left, right) = (self.predicate(depth - 1), self.predicate(depth - 1));
            return match self.random.below(3) {
                0 => format!("{left} AND {right}"),
                1 => format!("({left} OR {right})"),
                _ => format!("NOT ({left}) AND {right}"),
            };
        }
        let number = self.random.below(25) as i64 - 5;
        match self.random.below(11) {
            0 => format!("{} > {number}", self.int(1)),
            1 => format!("{} <= {}", self.int(1), self.int(1)),
            2 => format!("{} IS NULL", self.text(1)),
            3 => format!("{} IS NOT NULL", self.int(0)),
            4 => format!("{} BETWEEN {number} AND {}", self.int(1), number + 9),
            5 => format!("{} IN ({number}, 3, 7, NULL)", self.int(1)),
            6 => format!(
                "{} LIKE '%{}%'",
                self.text(0),
                self.random.pick(&["a", "PL", "i", "\"", "_2"])
            ),
            // Compared as a number, because the column is one.
            7 => format!("{} = '{}'", self.int(0), self.random.below(9)),
            8 => format!("{} < {number}.5", self.real(1)),
            9 => format!(
                "{} IN (SELECT q.place FROM places q WHERE q.size < {})",
                self.text(0),
                self.random.below(4)
            ),
            _ => format!("{} <> 'plain'", self.text(1)),
        }
    }

    fn aggregate(&mut self) -> String {
        let filter = if self.random.one_in(6) {
            format!(" FILTER (WHERE {})", self.predicate(1))
        } else {
            String::new()
        };
        let call = match self.random.below(14) {
            0..3 => "count(*)".to_owned(),
            3 => format!("count({})", self.scalar()),
            4 => format!("sum({})", self.int(1)),
            5 => format!("sum({})", self.real(0)),
            6 => format!("total({})", self.int(1)),
            7 => format!("avg({})", self.int(1)),
            8 => format!("AVG({})", self.real(0)),
            9 => format!("min({})", self.scalar()),
            10 => format!("max({})", self.scalar()),
            11 => format!("count(DISTINCT {})", self.scalar()),
            12 => format!(
                "{}(DISTINCT {})",
                self.random.pick(&["sum", "avg", "max"]),
                self.int(1)
            ),
            _ => format!("{}(r)", self.random.pick(&["sum", "avg", "total"])),
        };
        call + &filter
    }

    fn over_aggregates(&mut self, keys: &[String]) -> String {
        let one = self.aggregate();
        match self.random.below(9) {
            0 => format!("{one} + {}", self.aggregate()),
            1 => format!("sum({}) / count(*)", self.int(1)),
            2 => format!("coalesce({one}, 0) * 2"),
            3 => format!("CASE WHEN count(*) > 9 THEN {one} END"),
            4 if !keys.is_empty() => {
                let key = &keys[self.random.below(keys.len())];
                format!("({key}) || ':' || count(*)")
            }
            _ => one,
        }
    }
}
