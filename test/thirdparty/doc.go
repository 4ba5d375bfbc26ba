// Package thirdparty lets code of others look at what Vitae writes: validators, linters,
// themes and clients that know nothing of it. What a test needs is installed by name, and a
// test fails when it cannot be.
package thirdparty
