#!/usr/bin/env node
// Runs the command line straight from its TypeScript sources; the sources are the program, there is no build step.
import { register } from 'tsx/esm/api';

register();
await import('../src/cli/main.ts');
