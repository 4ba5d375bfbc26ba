//go:build !race

package journal

// manyBlocks is how many blocks of 200 rows TestManyRows asks.
const manyBlocks = 500
