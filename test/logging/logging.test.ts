import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/index.ts';
import { createLogger } from '../../src/logging/index.ts';

function sink(isTTY = false) {
  const lines: string[] = [];
  return { isTTY, lines, write: (line: string) => void lines.push(line) };
}

describe('the log', () => {
  test('is one JSON object a line where stderr is no terminal', () => {
    const target = sink();
    createLogger({ level: 'info', pretty: 'auto' }, { command: 'worker' }, target).info(
      { chunk: 7 },
      'settled',
    );
    expect(JSON.parse(target.lines.join(''))).toMatchObject({
      level: 'info',
      command: 'worker',
      chunk: 7,
      msg: 'settled',
    });
  });

  test('is for people on a terminal', () => {
    const target = sink(true);
    createLogger({ level: 'info', pretty: 'auto' }, {}, target).info('settled');
    expect(target.lines.join('')).toMatch(/INFO.*settled/);
    expect(target.lines.join('')).not.toMatch(/^\{/);
  });

  test('says nothing below its level', () => {
    const target = sink();
    createLogger({ level: 'warn', pretty: 'false' }, {}, target).info('nothing');
    expect(target.lines).toEqual([]);
  });

  test('shows no secret, wrapped or under a telling name, in a child either', () => {
    const target = sink();
    const logger = createLogger({ level: 'info', pretty: 'false' }, {}, target);
    logger.info(
      { cassandra: { password: 'hunter2' }, any: new Secret('hunter2'), apiKey: 'hunter2' },
      'connecting',
    );
    logger.child({ token: 'hunter2' }).info('again');
    expect(target.lines.join('')).not.toContain('hunter2');
    expect(target.lines.join('')).toContain('[redacted]');
  });

  test('writes 64-bit integers exactly, as text', () => {
    const target = sink();
    createLogger({ level: 'info', pretty: 'false' }, {}, target).info(
      { sequence: 9007199254740993n },
      'settled',
    );
    expect(target.lines.join('')).toContain('"sequence":"9007199254740993"');
  });

  test('tells an error with its message and cause', () => {
    const target = sink();
    createLogger({ level: 'info', pretty: 'false' }, {}, target).error(
      { error: new Error('torn') },
      'failed',
    );
    expect(target.lines.join('')).toContain('torn');
  });
});
