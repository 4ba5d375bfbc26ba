package vault

import (
	"sync"

	"vitae/ledger"
)

const (
	// cacheSize is how many profiles' keys are kept in memory, at about 1 KiB each.
	cacheSize = 100_000
	shards    = 64
)

// cache keeps the keyrings used last. It is cut into shards so that many goroutines
// can seal at once.
type cache struct{ shard [shards]shard }

type shard struct {
	mu    sync.Mutex
	limit int
	m     map[ledger.ProfileID]*node
	head  node // ring: head.next is the newest, head.prev the oldest
	// gen counts the calls of forget. A keyring that was read before one of them must
	// not be stored after it: it may be of a key that is destroyed now.
	gen uint64
}

type node struct {
	next, prev *node
	id         ledger.ProfileID
	ring       *keyring
}

func newCache(size int) *cache {
	c := &cache{}
	for i := range c.shard {
		s := &c.shard[i]
		s.limit, s.m = max(size/shards, 1), map[ledger.ProfileID]*node{}
		s.head.next, s.head.prev = &s.head, &s.head
	}
	return c
}

// of picks the shard by the random part of the id.
func (c *cache) of(id ledger.ProfileID) *shard { return &c.shard[id[15]%shards] }

// get gives the keyring, or nil and the generation to hand to put.
func (c *cache) get(id ledger.ProfileID) (*keyring, uint64) {
	s := c.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.m[id]
	if n == nil {
		return nil, s.gen
	}
	if s.head.next != n {
		n.unlink()
		s.head.push(n)
	}
	return n.ring, s.gen
}

// put stores a keyring that was read at generation gen.
func (c *cache) put(id ledger.ProfileID, r *keyring, gen uint64) {
	s := c.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen {
		return
	}
	if n := s.m[id]; n != nil {
		n.ring = r
		return
	}
	for len(s.m) >= s.limit {
		old := s.head.prev
		old.unlink()
		delete(s.m, old.id)
	}
	n := &node{id: id, ring: r}
	s.m[id] = n
	s.head.push(n)
}

func (c *cache) forget(id ledger.ProfileID) {
	s := c.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	if n := s.m[id]; n != nil {
		n.unlink()
		delete(s.m, id)
	}
}

// len is how many keyrings are there.
func (c *cache) len() (n int) {
	for i := range c.shard {
		s := &c.shard[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}

func (n *node) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

func (n *node) push(x *node) {
	x.prev, x.next = n, n.next
	n.next.prev, n.next = x, x
}
