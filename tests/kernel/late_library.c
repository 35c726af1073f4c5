/* SPDX-License-Identifier: Apache-2.0 */
/* A library with locks of its own, by name and layout one of those that the tracer knows: 0 is free, 1 is taken. */
void omp_set_lock(int *lock);
void omp_unset_lock(int *lock);

void omp_set_lock(int *lock)
{
	int free = 0;

	while (!__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		free = 0;
}

void omp_unset_lock(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}
