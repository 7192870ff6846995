// What is wrong with a source, in the record of `wit/script.wit`.

/** The name of a belt's source in stack traces. */
export const SOURCE_NAME = "extractorFn";

/** A source that cannot run. */
export class Refused extends Error {
  constructor(diagnostics) {
    super(diagnostics.map((diagnostic) => diagnostic.message).join("\n"));
    this.diagnostics = diagnostics;
  }
}

/** One diagnostic. Line and column count from 1; 0 where there is none. */
export function diagnostic(severity, message, source, line = 0, column = 0, traceback = "") {
  const text = line > 0 ? source.split("\n")[line - 1] : undefined;
  let excerpt = "";
  if (text !== undefined) {
    excerpt = text.trimEnd();
    if (column > 0) excerpt += `\n${" ".repeat(column - 1)}^`;
  }
  return { severity, message, line, column, excerpt, traceback };
}

/** Refuses a source for one reason. */
export function refuse(message, source, line = 0, column = 0) {
  throw new Refused([diagnostic("error", message, source, line, column)]);
}
