"""What tests share: data, variants of the algorithms, and programs that run in processes of their own.

This folder's parent is on the path, under pytest and in these processes alike (`environments`).

edge_cases         data that breaks k-means implementations, and arrays in every layout
variants           the algorithms, and the variants of them that the plan may choose
caching            a kernel that tests cache, and processes that use the cache
comparison         compares results bit for bit, and the passes of an algorithm with the oracle's
background         results computed ahead of the tests that wait for them
environments       environments and commands of processes
package_copies     copies of the package, which tests may edit
scipy_internals    the private functions and the tests of scipy.cluster.vq
scipy_tests_plugin points SciPy's own tests at this package

results_program    hashes every kind of result
nopython_program   compares calls from nopython code with calls from Python
doors_program      calls from a user's compiled code that Numba has cached
memory_program     measures the memory that a call takes
faults_program     compares algorithms with the oracle, with faults planted in a copy of the package
protected_pages    arrays that end at a protected page; as a program, reads past the end of one
situations         programs with threads, pools, forks and Ctrl-C
"""
