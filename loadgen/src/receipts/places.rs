//! The places that issue made-up receipts, and what they sell.

use rust_decimal::Decimal;

/// A place of purchase.
pub(super) struct Place {
    pub id: &'static str,
    pub name: &'static str,
    /// `None`: its till names no currency, and the gateway's own is meant.
    pub currency: Option<&'static str>,
    /// Fraction digits of that currency.
    pub digits: u32,
    pub zone: &'static str,
    /// Its till writes local times without offset.
    pub local_times: bool,
    /// Tips that people give, in percent of the total.
    pub tips_percent: &'static [i64],
    pub products: &'static [Product],
}

/// Something sold.
pub(super) struct Product {
    pub id: &'static str,
    pub category: &'static str,
    /// In the smallest unit of the currency, VAT included; for one piece or one kilogram.
    price: i64,
    /// In tenths of a percent.
    vat: i64,
    pub by_weight: bool,
}

impl Product {
    pub fn price(&self, place: &Place) -> Decimal {
        Decimal::new(self.price, place.digits)
    }

    /// Its rate of VAT in percent.
    pub fn vat_percent(&self) -> Decimal {
        Decimal::new(self.vat, 1).normalize()
    }

    /// VAT contained in an amount.
    pub fn vat_in(&self, amount: Decimal) -> Decimal {
        amount * Decimal::from(self.vat) / Decimal::from(1000 + self.vat)
    }
}

const fn piece(id: &'static str, category: &'static str, price: i64, vat: i64) -> Product {
    Product { id, category, price, vat, by_weight: false }
}

const fn weighed(id: &'static str, category: &'static str, price: i64, vat: i64) -> Product {
    Product { id, category, price, vat, by_weight: true }
}

pub(super) const PLACES: &[Place] = &[
    Place {
        id: "moscow-produkty-12",
        name: "Продукты на Сретенке, Москва",
        currency: None,
        digits: 2,
        zone: "Europe/Moscow",
        local_times: false,
        tips_percent: &[0],
        products: &[
            piece("milk-1l", "groceries", 8990, 100),
            weighed("apples", "groceries", 12950, 100),
            weighed("cheese-rossiysky", "groceries", 74900, 100),
            piece("soap", "household", 6490, 200),
        ],
    },
    Place {
        id: "marseille-cafe-maree",
        name: "Café de la Marée, Marseille",
        currency: Some("EUR"),
        digits: 2,
        zone: "Europe/Paris",
        local_times: false,
        tips_percent: &[0, 0, 5, 10],
        products: &[
            piece("espresso", "drinks", 190, 100),
            piece("plat-du-jour", "meals", 1650, 100),
            piece("verre-de-rouge", "alcohol", 450, 200),
        ],
    },
    Place {
        id: "athens-agora-3",
        name: "Αγορά Μοναστηράκι, Αθήνα",
        currency: Some("EUR"),
        digits: 2,
        zone: "Europe/Athens",
        local_times: false,
        tips_percent: &[0],
        products: &[
            weighed("olives", "groceries", 899, 130),
            weighed("feta", "groceries", 1299, 130),
            piece("olive-oil-1l", "groceries", 1099, 130),
            piece("charger", "electronics", 1490, 240),
        ],
    },
    Place {
        id: "tokyo-sushi-sakura",
        name: "寿司さくら 渋谷店",
        currency: Some("JPY"),
        digits: 0,
        zone: "Asia/Tokyo",
        local_times: false,
        tips_percent: &[0],
        products: &[
            piece("nigiri-set", "meals", 2480, 100),
            piece("green-tea", "drinks", 330, 100),
            piece("bento-to-go", "meals", 980, 80),
        ],
    },
    Place {
        id: "kuwait-souq-7",
        name: "سوق المباركية، الكويت",
        currency: Some("KWD"),
        digits: 3,
        zone: "Asia/Kuwait",
        local_times: false,
        tips_percent: &[0],
        products: &[
            weighed("dates", "groceries", 1_750, 0),
            weighed("saffron-rice", "groceries", 875, 0),
            piece("perfume", "cosmetics", 12_500, 0),
        ],
    },
    Place {
        id: "leeds-corner-books",
        name: "Corner Books, Leeds",
        currency: Some("GBP"),
        digits: 2,
        zone: "Europe/London",
        local_times: false,
        tips_percent: &[0],
        products: &[
            piece("paperback", "books", 899, 0),
            piece("notebook", "stationery", 450, 200),
            piece("tote-bag", "clothing", 1200, 200),
        ],
    },
    Place {
        id: "albuquerque-diner-66",
        name: "Diner 66, Albuquerque",
        currency: Some("USD"),
        digits: 2,
        zone: "America/Denver",
        local_times: false,
        tips_percent: &[15, 18, 20],
        products: &[
            piece("burger", "meals", 1395, 0),
            piece("coffee", "drinks", 325, 0),
            piece("pie", "meals", 650, 0),
        ],
    },
    Place {
        id: "zuerich-baeckerei-gruess",
        name: "Bäckerei Grüß, Zürich",
        currency: Some("CHF"),
        digits: 2,
        zone: "Europe/Zurich",
        local_times: false,
        tips_percent: &[0, 0, 0, 5],
        products: &[
            piece("gipfeli", "groceries", 140, 26),
            weighed("bread", "groceries", 890, 26),
            piece("coffee", "drinks", 480, 81),
        ],
    },
    Place {
        id: "delhi-pustak-bhavan",
        name: "पुस्तक भवन, दिल्ली",
        currency: Some("INR"),
        digits: 2,
        zone: "Asia/Kolkata",
        local_times: false,
        tips_percent: &[0],
        products: &[
            piece("novel", "books", 29_900, 0),
            piece("pens", "stationery", 12_000, 180),
            piece("lamp", "electronics", 89_900, 180),
        ],
    },
    Place {
        id: "reykjavik-kaffi-thora",
        name: "Kaffihús Þóru, Reykjavík",
        currency: Some("ISK"),
        digits: 0,
        // Iceland keeps UTC all year, which is also the zone the gateway reads local times in unless told otherwise.
        zone: "Atlantic/Reykjavik",
        local_times: true,
        tips_percent: &[0],
        products: &[
            piece("kaffi", "drinks", 690, 110),
            piece("skyr-kaka", "meals", 1190, 110),
            piece("lopapeysa", "clothing", 24_900, 240),
        ],
    },
];
