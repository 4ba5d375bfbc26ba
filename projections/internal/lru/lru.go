// Package lru is a map that forgets what was used least recently when it holds too much.
package lru

import "container/list"

// Cache holds values up to a total weight. It is for one goroutine at a time.
type Cache[K comparable, V any] struct {
	limit, weight int
	order         *list.List // of *entry, the most recently used first
	entries       map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

// New makes an empty cache for a total weight of limit.
func New[K comparable, V any](limit int) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, order: list.New(), entries: map[K]*list.Element{}}
}

// Get finds a value and marks it as used.
func (c *Cache[K, V]) Get(key K) (v V, ok bool) {
	e, ok := c.entries[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put adds or replaces a value, and forgets others until the weight is within the limit.
// The value itself stays, even when it alone is over it.
func (c *Cache[K, V]) Put(key K, value V, weight int) {
	if e, ok := c.entries[key]; ok {
		x := e.Value.(*entry[K, V])
		c.weight += weight - x.weight
		x.value, x.weight = value, weight
		c.order.MoveToFront(e)
	} else {
		c.entries[key] = c.order.PushFront(&entry[K, V]{key: key, value: value, weight: weight})
		c.weight += weight
	}
	for c.weight > c.limit && c.order.Len() > 1 {
		last := c.order.Back()
		x := c.order.Remove(last).(*entry[K, V])
		delete(c.entries, x.key)
		c.weight -= x.weight
	}
}

// Remove forgets one value.
func (c *Cache[K, V]) Remove(key K) {
	if e, ok := c.entries[key]; ok {
		c.weight -= c.order.Remove(e).(*entry[K, V]).weight
		delete(c.entries, key)
	}
}

// Clear forgets everything.
func (c *Cache[K, V]) Clear() {
	c.weight = 0
	c.order.Init()
	clear(c.entries)
}

// Len is how many values there are.
func (c *Cache[K, V]) Len() int { return c.order.Len() }
