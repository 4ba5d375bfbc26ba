//go:build race

package journal

// manyBlocks is how many blocks of 200 rows TestManyRows asks: the race detector makes
// each of them some twenty times as slow.
const manyBlocks = 25
