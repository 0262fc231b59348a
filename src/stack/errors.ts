/**
 * The ways in which the stack can fail to start or stop, one class a situation. Each message is for the person at the
 * terminal: what is missing or wrong, and what to do about it.
 */

/** Any failure of the stack that a person can act on. */
export class StackError extends Error {
  override readonly name: string = 'StackError';
}

/** A program that is needed is not installed, or has the wrong version. */
export class MissingToolError extends StackError {
  override readonly name = 'MissingToolError';
  readonly tool: string;

  constructor(tool: string, message: string) {
    super(message);
    this.tool = tool;
  }
}

/** A port that a server needs is in use. */
export class PortTakenError extends StackError {
  override readonly name = 'PortTakenError';
  readonly port: number;
  readonly variable: string;

  constructor(what: string, port: number, variable: string, owner: string | undefined) {
    super(
      `Port ${port}, which ${what} needs, is taken${owner === undefined ? '' : ` by ${owner}`}. ` +
        `Stop that, or choose another with ${variable}, or let free ports be picked with SETTLED_STACK_PORTS=free.`,
    );
    this.port = port;
    this.variable = variable;
  }
}

/** There is too little space on a disk. */
export class DiskFullError extends StackError {
  override readonly name = 'DiskFullError';

  constructor(path: string, freeBytes: number | undefined, neededBytes: number, variable: string) {
    const mib = (count: number) => `${Math.floor(count / 1024 / 1024)} MB`;
    const found = freeBytes === undefined ? 'The disk is full' : `Only ${mib(freeBytes)} are free`;
    super(
      `${found} at ${path}; about ${mib(neededBytes)} are needed. Make room, or choose another place with ${variable}.`,
    );
  }
}

/** A server could not be built or its files not be fetched. */
export class BuildFailedError extends StackError {
  override readonly name = 'BuildFailedError';
}

/** A server ended, or did not answer in time. */
export class ServerFailedError extends StackError {
  override readonly name = 'ServerFailedError';
  /** The end of what it had to say. */
  readonly output: string;

  constructor(message: string, output: string) {
    super(output === '' ? message : `${message}\n${output.replace(/^/gm, '  | ')}`);
    this.output = output;
  }
}

/** A person or a signal interrupted; what had been started has been stopped. */
export class InterruptedError extends StackError {
  override readonly name = 'InterruptedError';

  constructor() {
    super('Interrupted; what had been started has been stopped.');
  }
}
