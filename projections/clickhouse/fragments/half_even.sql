-- A mean rounded half to even, in integers: (2a + n) div 2n rounds halves up, and one is taken off where it was a half that became odd.
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
