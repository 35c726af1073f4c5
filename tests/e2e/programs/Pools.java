// SPDX-License-Identifier: Apache-2.0
// Idle pools and threads that wait for each other the ways Java has. Argument "busy": all of it in motion for ever.
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

class Pools {
  private static final Object monitor = new Object();
  private static final ReentrantLock lock = new ReentrantLock();
  private static long count;

  private static void spin(Runnable task) {
    Thread thread = new Thread(() -> {
      while (true) task.run();
    });
    thread.setDaemon(true);
    thread.start();
  }

  private static synchronized void addToCount() {
    count += 1;
  }

  private static void addUnderLock() {
    lock.lock();
    try {
      count += 1;
    } finally {
      lock.unlock();
    }
  }

  private static void waitForNews() {
    synchronized (monitor) {
      try {
        monitor.wait();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static void tellNews() {
    synchronized (monitor) {
      monitor.notifyAll();
    }
  }

  public static void main(String[] arguments) throws Exception {
    boolean busy = arguments.length > 0 && arguments[0].equals("busy");
    ExecutorService fixed = Executors.newFixedThreadPool(4);
    for (int i = 0; i < 4; ++i) fixed.submit(() -> {});
    Executors.newScheduledThreadPool(2).scheduleAtFixedRate(() -> {}, 0, 50, TimeUnit.MILLISECONDS);
    ForkJoinPool.commonPool().submit(() -> {}).get();
    BlockingQueue<Integer> queue = new LinkedBlockingQueue<>(8);
    Semaphore empty = new Semaphore(0);
    for (int i = 0; i < 3; ++i) spin(Pools::waitForNews);
    spin(() -> {
      try {
        queue.take();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    });
    spin(empty::acquireUninterruptibly);
    if (busy) {
      for (int i = 0; i < 3; ++i) spin(Pools::addToCount);
      for (int i = 0; i < 3; ++i) spin(Pools::addUnderLock);
      spin(Pools::tellNews);
      spin(() -> {
        try {
          queue.put(1);
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      });
    }
    System.out.println("ready");
    Thread.currentThread().join();
  }
}
