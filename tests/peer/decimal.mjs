// Exact decimal amounts: BigInt counts of 10^-8. Nothing here ever becomes a float.

export const DIGITS = 8;
export const ONE = 10n ** BigInt(DIGITS);

/** Read a plain decimal string ("0.5000") as an amount; null when it is anything else (sign, exponent, number). */
export function parse(text) {
  const match = typeof text === 'string' && /^(\d{1,18})(?:\.(\d{1,8}))?$/.exec(text);
  return match ? BigInt(match[1]) * ONE + BigInt((match[2] ?? '').padEnd(DIGITS, '0')) : null;
}

/** Write `value`, counted in 10^-scale, with at least `least` decimals and no other trailing zeros. */
export function show(value, least = 0, scale = DIGITS) {
  const unit = 10n ** BigInt(scale);
  const fraction = (value % unit).toString().padStart(scale, '0').replace(/0+$/, '').padEnd(least, '0');
  return fraction ? `${value / unit}.${fraction}` : `${value / unit}`;
}

/** The exact product of two amounts of at most 4 decimals each (a price and a quantity). */
export const times = (a, b) => (a * b) / ONE;

/**
 * Volume-weighted average price of `fills` ({price, quantity}), written with at most `digits` decimals.
 * `pad` keeps the zeros; `round` is 'down' or 'half-up'. "0" without fills.
 */
export function average(fills, { digits, pad = false, round = 'down' }) {
  const volume = fills.reduce((sum, fill) => sum + fill.quantity, 0n);
  if (volume === 0n) return '0';
  const value = fills.reduce((sum, fill) => sum + fill.price * fill.quantity, 0n) * 10n ** BigInt(digits);
  const unit = volume * ONE;
  const scaled = round === 'half-up' ? (2n * value + unit) / (2n * unit) : value / unit;
  return show(scaled, pad ? digits : 0, digits);
}
