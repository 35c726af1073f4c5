// SPDX-License-Identifier: Apache-2.0
// Idle workers, one of them in Atomics.wait, and an idle thread pool. Argument "busy": files, hashes and messages.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');

if (isMainThread) {
  const busy = process.argv[2] === 'busy';
  const word = new SharedArrayBuffer(8);
  let ready = 0;
  for (let number = 0; number < 4; ++number) {
    const worker = new Worker(__filename, { workerData: { word, number } });
    worker.on('message', () => {
      if (++ready === 4) console.log('ready');
      if (busy) worker.postMessage('again');
    });
  }
  const stat = () => fs.stat(__filename, () => busy && setImmediate(stat));
  const hash = () => crypto.pbkdf2('a', 'b', 2000, 32, 'sha256', () => busy && hash());
  for (let i = 0; i < 4; ++i) {
    stat();
    hash();
  }
  setInterval(() => {}, 1000);
} else {
  const cells = new Int32Array(workerData.word);
  parentPort.on('message', () => {
    Atomics.add(cells, 1, 1);
    parentPort.postMessage('done');
  });
  parentPort.postMessage('up');
  if (workerData.number === 0) Atomics.wait(cells, 0, 0);
}
