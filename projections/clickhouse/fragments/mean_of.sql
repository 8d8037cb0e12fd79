-- A mean to 4 digits, rounded half to even. A quotient cut after 24 digits stands at half of the fourth only if it is that exactly: no
-- other one is nearer to it than 1/(20000 n).
    (total, n) -> toDecimal128(roundBankers(toDecimal256(total, 24) / n, 4), 4) AS mean_of
