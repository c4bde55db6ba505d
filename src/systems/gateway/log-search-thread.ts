import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type SearchData, searchFiles } from './log-search.ts';

const port = parentPort as MessagePort;
port.postMessage({ record: searchFiles(workerData as SearchData) });
