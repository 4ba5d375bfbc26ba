package vault

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"vitae/ledger"
)

// chunkSize is how much of a file, in bytes, is sealed and stored at a time.
const chunkSize = 256 << 10

// cleanTimeout bounds the removal of what a failed upload left behind.
const cleanTimeout = 10 * time.Second

// File describes a stored file.
type File struct {
	Hash      ledger.Hash // of the content in clear
	Size      int64       // in bytes
	MediaType string
}

// fileRecord is what a file's entry holds, sealed.
type fileRecord struct {
	Hash      ledger.Hash `json:"hash"`
	Size      int64       `json:"size"`
	MediaType string      `json:"media_type"`
	Upload    string      `json:"upload"` // names the chunks
}

func (f fileRecord) file() File { return File{Hash: f.Hash, Size: f.Size, MediaType: f.MediaType} }

// The keys of the bucket FILES: <profile>.f.<digest> is a file's record, and
// <profile>.c.<upload>.<number> a chunk.

func fileKey(p ledger.ProfileID, ring *keyring, h ledger.Hash) (string, error) {
	d, err := ring.digest("file name", [][]byte{h[:]})
	return p.String() + ".f." + hex.EncodeToString(d[:]), err
}

func uploadKey(p ledger.ProfileID, upload string) string { return p.String() + ".c." + upload }

func chunkKey(p ledger.ProfileID, upload string, n uint32) string {
	return uploadKey(p, upload) + "." + strconv.FormatUint(uint64(n), 10)
}

func fileData(p ledger.ProfileID, key string) []byte {
	return append(append([]byte("file|"), p[:]...), key...)
}

// chunkData ties a chunk to its upload, its place and to being the last: a file cannot
// be cut off or put together anew.
func chunkData(p ledger.ProfileID, upload string, n uint32, last bool) []byte {
	b := append(append([]byte("chunk|"), p[:]...), upload...)
	b = binary.BigEndian.AppendUint32(b, n)
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

// PutFile seals what r holds, to its end, as a file of the profile. On nil it is durable
// and can be opened by its hash. The same content again is the same file, with the
// media type it had first. Memory use does not depend on the size. Errors:
// ledger.ErrCapacity for more than limit bytes, r's own, and Seal's; then there is no
// new file.
func (v *Vault) PutFile(ctx context.Context, p ledger.ProfileID, mediaType string, r io.Reader, limit int64) (File, error) {
	ring, err := v.ring(ctx, p)
	if err != nil {
		return File{}, err
	}
	rec := fileRecord{MediaType: mediaType, Upload: ledger.NewID(time.Now())}
	f, err := v.putFile(ctx, p, ring, rec, r, limit)
	if (err != nil || f.Upload != rec.Upload) && !errors.Is(err, errInDoubt) {
		// Nothing refers to the chunks. If they cannot be removed now, Sweep will.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		if cleanErr := v.files.RemoveAll(ctx, uploadKey(p, rec.Upload)); err != nil && cleanErr != nil {
			err = errors.Join(err, cleanErr)
		}
	}
	if err == nil {
		err = v.still(ctx, p, func(ctx context.Context) error { return v.files.RemoveAll(ctx, p.String()) })
	}
	return f.file(), err
}

func (v *Vault) putFile(ctx context.Context, p ledger.ProfileID, ring *keyring, rec fileRecord, r io.Reader, limit int64) (fileRecord, error) {
	var err error
	if rec.Hash, rec.Size, err = v.putChunks(ctx, p, ring.active, rec.Upload, r, limit); err != nil {
		return fileRecord{}, err
	}
	key, err := fileKey(p, ring, rec.Hash)
	if err != nil {
		return fileRecord{}, err
	}
	plain, err := json.Marshal(rec)
	if err != nil {
		return fileRecord{}, err
	}
	sealed, err := ring.sealAs(forFiles, plain, fileData(p, key))
	if err != nil {
		return fileRecord{}, err
	}
	switch _, err := v.files.Put(ctx, key, sealed, 0); {
	case errors.Is(err, ledger.ErrConflict):
		// The same content is there, or the first answer to this very write was lost.
		return v.fileRecord(ctx, p, ring, rec.Hash)
	case errors.Is(err, ledger.ErrCapacity):
		return fileRecord{}, err
	case err != nil:
		return fileRecord{}, fmt.Errorf("%w: %w", errInDoubt, err)
	}
	return rec, nil
}

// errInDoubt: the file's record may be stored, so its chunks must stay. Putting the
// file again settles it; until then Sweep tells.
var errInDoubt = errors.New("vault: it is not known whether the file was stored")

// putChunks stores the content and gives its hash and size.
func (v *Vault) putChunks(ctx context.Context, p ledger.ProfileID, d *dataKey, upload string, r io.Reader, limit int64) (ledger.Hash, int64, error) {
	aead, err := d.derive(forFiles)
	if err != nil {
		return ledger.Hash{}, 0, err
	}
	var (
		sum    = sha256.New()
		size   int64
		now    = make([]byte, chunkSize)
		next   = make([]byte, chunkSize)
		sealed = make([]byte, 0, 1+chunkSize+aead.Overhead())
	)
	have, end, err := fill(r, now)
	if err != nil {
		return ledger.Hash{}, 0, err
	}
	for n := uint32(0); ; n++ {
		ahead := 0
		if !end { // whether a chunk is the last shows only behind it
			if ahead, end, err = fill(r, next); err != nil {
				return ledger.Hash{}, 0, err
			}
		}
		last := end && ahead == 0
		if size += int64(have); size > limit {
			return ledger.Hash{}, 0, fmt.Errorf("vault: a file of more than %d bytes: %w", limit, ledger.ErrCapacity)
		}
		sum.Write(now[:have])
		sealed = d.seal(sealed[:0], aead, now[:have], chunkData(p, upload, n, last))
		if _, err := v.files.Put(ctx, chunkKey(p, upload, n), sealed, 0); err != nil {
			return ledger.Hash{}, 0, err
		}
		if last {
			return ledger.Hash(sum.Sum(nil)), size, nil
		}
		now, next, have = next, now, ahead
	}
}

// fill reads until buf is full or r ends. Only io.EOF is an end: io.ReadFull would hide
// an io.ErrUnexpectedEOF of r's own, and a cut upload would be taken for a whole file.
func fill(r io.Reader, buf []byte) (n int, end bool, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

func (v *Vault) fileRecord(ctx context.Context, p ledger.ProfileID, ring *keyring, h ledger.Hash) (fileRecord, error) {
	var rec fileRecord
	key, err := fileKey(p, ring, h)
	if err != nil {
		return rec, err
	}
	e, err := v.files.Get(ctx, key)
	if err != nil {
		return rec, err
	}
	plain, err := ring.openAs(forFiles, e.Value, fileData(p, key))
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(plain, &rec); err != nil || rec.Hash != h {
		return rec, fmt.Errorf("vault: file record: %w", ErrCorrupt)
	}
	return rec, nil
}

// HasFile says whether the profile has a file with that content. Errors: as Seal.
func (v *Vault) HasFile(ctx context.Context, p ledger.ProfileID, h ledger.Hash) (bool, error) {
	ring, err := v.ring(ctx, p)
	if err != nil {
		return false, err
	}
	_, err = v.fileRecord(ctx, p, ring, h)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// OpenFile gives a file of the profile by the hash of its content. The reader reads from
// the store under ctx as it goes; it ends with io.EOF only when all of it was read and
// is what the hash says, else with ErrCorrupt. The caller closes it. Errors:
// ledger.ErrNotFound, and Seal's.
func (v *Vault) OpenFile(ctx context.Context, p ledger.ProfileID, h ledger.Hash) (File, io.ReadCloser, error) {
	ring, err := v.ring(ctx, p)
	if err != nil {
		return File{}, nil, err
	}
	rec, err := v.fileRecord(ctx, p, ring, h)
	if err != nil {
		return File{}, nil, err
	}
	r := &fileReader{ctx: ctx, v: v, p: p, ring: ring, rec: rec, sum: sha256.New()}
	if err := r.fetch(); err != nil { // so that a missing file is seen here, not while it is sent
		return File{}, nil, err
	}
	return rec.file(), r, nil
}

// fileReader reads a file chunk by chunk. It is for one goroutine.
type fileReader struct {
	ctx  context.Context
	v    *Vault
	p    ledger.ProfileID
	ring *keyring
	rec  fileRecord

	key  *dataKey // of the chunks ...
	aead cipher.AEAD
	n    uint32 // the next chunk's number
	read int64  // bytes of all chunks fetched
	sum  hash.Hash
	room []byte // holds the chunk fetched last ...
	buf  []byte // and this is what is left of it
	err  error  // sticks
}

func (r *fileReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for len(r.buf) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.read == r.rec.Size {
			r.err = io.EOF
			if ledger.Hash(r.sum.Sum(nil)) != r.rec.Hash {
				r.err = fmt.Errorf("vault: file: %w", ErrCorrupt)
			}
			continue
		}
		r.err = r.fetch()
	}
	n := copy(b, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

// fetch opens the next chunk into buf.
func (r *fileReader) fetch() error {
	e, err := r.v.files.Get(r.ctx, chunkKey(r.p, r.rec.Upload, r.n))
	if errors.Is(err, ledger.ErrNotFound) && r.n > 0 {
		return fmt.Errorf("vault: a chunk of the file is missing: %w", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	d, err := r.ring.find(e.Value)
	if err != nil {
		return err
	}
	if r.key != d {
		if r.aead, err = d.derive(forFiles); err != nil {
			return err
		}
		r.key = d
	}
	last := r.rec.Size-r.read <= chunkSize
	if r.room, err = open(r.aead, r.room[:0], e.Value, chunkData(r.p, r.rec.Upload, r.n, last)); err != nil {
		return err
	}
	r.buf = r.room
	r.sum.Write(r.buf)
	r.read += int64(len(r.buf))
	r.n++
	if r.read > r.rec.Size || last != (r.read == r.rec.Size) {
		return fmt.Errorf("vault: file: %w", ErrCorrupt)
	}
	return nil
}

// Close gives the reader up.
func (r *fileReader) Close() error {
	r.room, r.buf, r.err = nil, nil, errors.New("vault: file is closed")
	return nil
}

// Sweep removes the chunks of uploads that began before a moment and never became a
// file, because the process died. It gives the number of such uploads. The moment must
// be further back than any upload can last; a day is plenty.
func (v *Vault) Sweep(ctx context.Context, before time.Time) (int, error) {
	uploads := map[string]ledger.ProfileID{} // begun before, by name
	var records []string
	for e, err := range v.files.Walk(ctx, "", false) {
		if err != nil {
			return 0, err
		}
		part := strings.Split(e.Key, ".")
		p, err := ledger.ParseProfileID(part[0])
		if err != nil || len(part) < 3 {
			continue // not ours
		}
		switch part[1] {
		case "f":
			records = append(records, e.Key)
		case "c":
			if id, err := ledger.ParseCommitID(part[2]); err == nil && id.Time().Before(before) {
				uploads[part[2]] = p
			}
		}
	}
	if len(uploads) == 0 {
		return 0, nil
	}
	for _, key := range records {
		name, err := v.uploadOf(ctx, key)
		if err != nil {
			return 0, err
		}
		delete(uploads, name)
	}
	for name, p := range uploads {
		if err := v.files.RemoveAll(ctx, uploadKey(p, name)); err != nil {
			return 0, err
		}
	}
	return len(uploads), nil
}

// uploadOf names the upload that a file's record refers to; "" when the file or its
// profile is gone meanwhile.
func (v *Vault) uploadOf(ctx context.Context, key string) (string, error) {
	p, err := ledger.ParseProfileID(key[:strings.IndexByte(key, '.')])
	if err != nil {
		return "", err
	}
	ring, err := v.ring(ctx, p)
	if errors.Is(err, ledger.ErrErased) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	e, err := v.files.Get(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	plain, err := ring.openAs(forFiles, e.Value, fileData(p, key))
	if err != nil {
		return "", err
	}
	var rec fileRecord
	if err := json.Unmarshal(plain, &rec); err != nil {
		return "", fmt.Errorf("vault: file record: %w", ErrCorrupt)
	}
	return rec.Upload, nil
}
