// Randomness. The component is a snapshot: the state of the engine's own generator is part of it, and would be the same
// in every instance.

const WORDS = 512;
const words = new Uint32Array(WORDS);
let at = WORDS;

function random() {
  if (at + 2 > WORDS) {
    crypto.getRandomValues(words);
    at = 0;
  }
  // 53 bits, as the specification of doubles has it.
  const high = words[at] >>> 5;
  const low = words[at + 1] >>> 6;
  at += 2;
  return (high * 67108864 + low) / 9007199254740992;
}

/** Replaces `Math.random`. */
export function install() {
  at = WORDS;
  Math.random = random;
}
