package binlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// kinds of pages
const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// encodings of values
const (
	plain           = 0
	plainDictionary = 2
	runLength       = 3
	dictionary      = 8
)

const (
	// mostPage bounds a page: a writer closes one at 1 MiB, and looks after each 1,024 values, of which the widest are vectors of 128 KiB.
	mostPage     = 160 << 20
	valuesLooked = 1024
	pageBuffer   = 64 << 10
	fixedMargin  = 16 << 20
)

// unpacker is shared: what it makes is never longer than the room that it is given.
var unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(mostPage))
})

// values are those of some rows: of fixed width one after the other, or of any length.
type values struct {
	valid []bool // of each row whether it has a value; nil where all have
	fixed []byte
	texts [][]byte
	// places are those of texts in a dictionary, in place of them: a page of a few bytes may be all rows of a log.
	places []uint32
}

// reader reads the values of a column in order.
type reader struct {
	column *column
	stream func(offset, size int64) (io.Reader, error)

	chunk    int // the next one
	left     int64
	pages    *bufio.Reader
	words    values // the dictionary of the chunk
	hasWords bool
	page     values   // what is left of the page
	rows     int      // of it
	packed   []byte   // scratch
	unpacked []byte   // scratch, for values that are copied
	looked   [][]byte // scratch, for texts that are looked up
}

// next adds the values of up to n rows to all, and says of how many. 0 is the end. keep, where it isn't nil, says which of them to add.
func (r *reader) next(n int, keep []bool, all *values) (rows int, err error) {
	for rows < n {
		for r.rows == 0 {
			if more, err := r.nextPage(); !more || err != nil {
				return rows, err
			}
		}
		take := min(n-rows, r.rows)
		var kept []bool
		if keep != nil {
			kept = keep[rows : rows+take]
		}
		r.take(take, kept, all)
		rows += take
	}
	return rows, nil
}

// take moves the first n rows of the page.
func (r *reader) take(n int, keep []bool, all *values) {
	valid := r.page.valid
	there := n
	if valid != nil {
		valid, r.page.valid = valid[:n], valid[n:]
		there = count(valid)
	}
	if r.rows -= n; r.column.width > 0 {
		bytes := r.page.fixed[:there*r.column.width]
		r.page.fixed = r.page.fixed[len(bytes):]
		all.fixed = appendKept(all.fixed, bytes, r.column.width, valid, keep)
	} else {
		all.texts = appendKept(all.texts, r.takeTexts(there), 1, valid, keep)
	}
	if r.column.optional {
		all.valid = appendKept(all.valid, valid, 1, nil, keep)
	}
}

// takeTexts are the first n texts of the page, until the next call.
func (r *reader) takeTexts(n int) (texts [][]byte) {
	if r.page.places == nil {
		texts, r.page.texts = r.page.texts[:n], r.page.texts[n:]
		return texts
	}
	r.looked = r.looked[:0]
	for _, place := range r.page.places[:n] {
		r.looked = append(r.looked, r.words.texts[place])
	}
	r.page.places = r.page.places[n:]
	return r.looked
}

// appendKept appends the values, of width elements each, of the rows that are kept and valid.
func appendKept[T any](to, from []T, width int, valid, keep []bool) []T {
	if keep == nil {
		return append(to, from...)
	}
	for i, k := range keep {
		if valid != nil && !valid[i] {
			continue
		}
		if k {
			to = append(to, from[:width]...)
		}
		from = from[width:]
	}
	return to
}

func count(valid []bool) (n int) {
	for _, v := range valid {
		if v {
			n++
		}
	}
	return n
}

// nextPage reads the next page of values; none is left where it returns false.
func (r *reader) nextPage() (bool, error) {
	for r.left == 0 {
		if r.chunk == len(r.column.chunks) {
			return false, nil
		}
		c := r.column.chunks[r.chunk]
		r.chunk++
		pages, err := r.stream(c.offset, c.size)
		if err != nil {
			return false, err
		}
		r.pages, r.left, r.hasWords, r.words = bufio.NewReaderSize(pages, pageBuffer), c.values, false, values{}
	}
	head, err := r.readHead()
	if err != nil {
		return false, err
	}
	body, err := r.readBody(head)
	if err != nil {
		return false, err
	}
	switch head.kind {
	case dictionaryPage:
		return true, r.readWords(head, body)
	case dataPage, dataPageV2:
		return true, r.readValues(head, body)
	}
	return true, nil // an index, which nobody needs
}

// head describes a page.
type head struct {
	kind, unpacked, packed          int64
	values, encoding, levelEncoding int64
	validBytes, repeated            int64 // of a second version's levels, which lie before what is compressed
	uncompressed                    bool
}

func (r *reader) readHead() (h head, err error) {
	for _, most := range []int{1 << 10, pageBuffer} {
		peeked, err := r.pages.Peek(most)
		if err != nil && err != io.EOF {
			return h, err
		}
		t := &thrift{bytes: peeked}
		if h = t.head(); t.err == nil {
			_, err := r.pages.Discard(len(peeked) - len(t.bytes))
			return h, errors.Join(err, r.checkHead(h))
		}
	}
	return h, damaged("a page without a head")
}

func (t *thrift) head() (h head) {
	h.kind, h.encoding = -1, -1
	t.fields(func(id int16) bool {
		switch id {
		case 1:
			h.kind = t.number()
		case 2:
			h.unpacked = t.number()
		case 3:
			h.packed = t.number()
		case 5, 7, 8:
			t.pageOf(id, &h)
		default:
			return false
		}
		return true
	})
	return h
}

// pageOf reads what only one kind of page has.
func (t *thrift) pageOf(kind int16, h *head) {
	to := map[int16]*int64{1: &h.values, 2: &h.encoding, 3: &h.levelEncoding}
	switch kind {
	case 7:
		delete(to, 3)
	case 8:
		to = map[int16]*int64{1: &h.values, 4: &h.encoding, 5: &h.validBytes, 6: &h.repeated}
	}
	t.fields(func(id int16) bool {
		if kind == 8 && id == 7 { // a truth is in its head; false is the one that is written
			h.uncompressed = t.kind == thriftFalse
			return true
		}
		if to[id] == nil {
			return false
		}
		*to[id] = t.number()
		return true
	})
}

func (r *reader) checkHead(h head) error {
	most := int64(mostPage)
	if r.column.width > 0 {
		most = min(most, fixedMargin+valuesLooked*int64(r.column.width))
	}
	inOrder := h.packed >= 0 && h.unpacked >= 0 && h.unpacked <= most && h.packed <= most+most/8 &&
		h.values >= 0 && h.values <= mostRows && h.repeated == 0 && h.validBytes >= 0 && h.validBytes <= min(h.packed, h.unpacked)
	if h.kind == dataPage || h.kind == dataPageV2 {
		inOrder = inOrder && h.values <= r.left
	}
	if !inOrder || h.kind < 0 || h.kind > dataPageV2 {
		return damaged("a page of kind %d with %d values in %d bytes, unpacked %d", h.kind, h.values, h.packed, h.unpacked)
	}
	return nil
}

// readBody reads a page, unpacked. Values of any length stay in it, so it is not used again then.
func (r *reader) readBody(h head) ([]byte, error) {
	if int64(cap(r.packed)) < h.packed {
		r.packed = nil
	}
	packed, err := readFull(r.pages, r.packed, int(h.packed))
	r.packed = packed
	if err != nil {
		return nil, damaged("a page ends after %d bytes of %d: %w", len(packed), h.packed, err)
	}
	var room []byte
	if r.column.width > 0 && h.kind != dictionaryPage {
		room = r.unpacked
	}
	if int64(cap(room)) < h.unpacked {
		room = make([]byte, 0, h.unpacked)
	}
	levels := packed[:h.validBytes]
	body := append(room[:0], levels...)
	if h.uncompressed {
		body = append(body, packed[h.validBytes:]...)
	} else {
		unpacker, err := unpacker()
		if err != nil {
			return nil, err
		}
		if body, err = unpacker.DecodeAll(packed[h.validBytes:], body[:len(levels):h.unpacked]); err != nil {
			return nil, damaged("a page that is no zstd: %w", err)
		}
	}
	if int64(len(body)) != h.unpacked {
		return nil, damaged("a page of %d bytes says that it has %d", len(body), h.unpacked)
	}
	if r.column.width > 0 && h.kind != dictionaryPage {
		r.unpacked = body
	}
	return body, nil
}

// readFull reads n bytes, and takes room for them as they come where there isn't enough: a head may say anything.
func readFull(from io.Reader, into []byte, n int) ([]byte, error) {
	const step = 1 << 20
	into = into[:0]
	for len(into) < n {
		at := len(into)
		if room := min(n, cap(into)); room > at {
			into = into[:room]
		} else {
			into = append(into, make([]byte, min(n-at, max(step, at)))...)
		}
		if got, err := io.ReadFull(from, into[at:]); err != nil {
			return into[:at+got], err
		}
	}
	return into, nil
}

func (r *reader) readWords(h head, body []byte) error {
	if r.hasWords || h.encoding != plain && h.encoding != plainDictionary || r.column.physical == boolean {
		return damaged("a dictionary of encoding %d", h.encoding)
	}
	words, err := r.plainValues(body, int(h.values))
	r.words, r.hasWords = words, true
	return err
}

func (r *reader) readValues(h head, body []byte) (err error) {
	n := int(h.values)
	there := n
	var valid []bool
	if r.column.optional {
		levels, rest, err := splitLevels(h, body)
		if err != nil {
			return err
		}
		if valid, err = validOf(levels, n); err != nil {
			return err
		}
		body, there = rest, count(valid)
	}
	switch h.encoding {
	case plain:
		r.page, err = r.plainValues(body, there)
	case plainDictionary, dictionary:
		r.page, err = r.dictionaryValues(body, there)
	case runLength:
		r.page, err = r.runLengthValues(body, there)
	default:
		return damaged("a page of encoding %d", h.encoding)
	}
	r.page.valid, r.rows = valid, n
	r.left -= h.values
	return err
}

// splitLevels tells the levels, which say what is NULL, from the values.
func splitLevels(h head, body []byte) (levels, rest []byte, err error) {
	if h.kind == dataPageV2 {
		return body[:h.validBytes], body[h.validBytes:], nil
	}
	return cutLength(body)
}

// cutLength cuts what has its length before it.
func cutLength(body []byte) (cut, rest []byte, err error) {
	if len(body) < 4 {
		return nil, nil, damaged("a page of %d bytes", len(body))
	}
	n := binary.LittleEndian.Uint32(body)
	if body = body[4:]; uint64(n) > uint64(len(body)) {
		return nil, nil, damaged("%d bytes of a page that has %d", n, len(body))
	}
	return body[:n], body[n:], nil
}

// plainValues are n values that are all that there is in the body.
func (r *reader) plainValues(body []byte, n int) (v values, err error) {
	switch width := r.column.width; {
	case r.column.physical == boolean:
		if len(body) != (n+7)/8 {
			return v, damaged("%d truths in %d bytes", n, len(body))
		}
		v.fixed = make([]byte, n)
		for i := range v.fixed {
			v.fixed[i] = body[i/8] >> (i % 8) & 1
		}
	case width > 0:
		if len(body) != n*width {
			return v, damaged("%d values of %d bytes in %d bytes", n, width, len(body))
		}
		v.fixed = body
	default:
		v.texts, err = plainTexts(body, n)
	}
	return v, err
}

func plainTexts(body []byte, n int) (texts [][]byte, err error) {
	if n > len(body)/4 {
		return nil, damaged("%d texts in %d bytes", n, len(body))
	}
	texts = make([][]byte, n)
	for i := range texts {
		if texts[i], body, err = cutLength(body); err != nil {
			return nil, err
		}
	}
	if len(body) > 0 {
		return nil, damaged("%d bytes after the last text", len(body))
	}
	return texts, nil
}

// dictionaryValues are n values by their places in the dictionary, which take width bits each.
func (r *reader) dictionaryValues(body []byte, n int) (v values, err error) {
	if !r.hasWords {
		return v, damaged("a page refers to a dictionary that is not there")
	}
	if n == 0 {
		return v, nil
	}
	if len(body) == 0 || body[0] > 32 {
		return v, damaged("a page of places of no width")
	}
	width := r.column.width
	if width > 0 && n > (mostPage/width) {
		return v, damaged("a page of %d values of %d bytes", n, width)
	}
	words := len(r.words.texts)
	if width > 0 {
		words = len(r.words.fixed) / width
	}
	err = hybrid(body[1:], int(body[0]), n, func(place uint32, times int) error {
		if int64(place) >= int64(words) {
			return damaged("a page refers to word %d of %d", place, words)
		}
		for range times {
			if width > 0 {
				v.fixed = append(v.fixed, r.words.fixed[int(place)*width:][:width]...)
			} else {
				v.places = append(v.places, place)
			}
		}
		return nil
	})
	return v, err
}

// runLengthValues are n truths.
func (r *reader) runLengthValues(body []byte, n int) (v values, err error) {
	if r.column.physical != boolean {
		return v, damaged("a page of encoding %d", runLength)
	}
	runs, _, err := cutLength(body)
	if err != nil {
		return v, err
	}
	valid, err := validOf(runs, n)
	v.fixed = make([]byte, len(valid))
	for i, is := range valid {
		if is {
			v.fixed[i] = 1
		}
	}
	return v, err
}

// validOf are n levels of one bit.
func validOf(runs []byte, n int) ([]bool, error) {
	var valid []bool
	err := hybrid(runs, 1, n, func(level uint32, times int) error {
		for range times {
			valid = append(valid, level == 1)
		}
		return nil
	})
	return valid, err
}

// hybrid reads n numbers of width bits, which are either packed, eight at a time, or one number so many times.
func hybrid(body []byte, width, n int, add func(number uint32, times int) error) error {
	for n > 0 {
		head, used := binary.Uvarint(body)
		if used <= 0 || head>>1 == 0 || head>>1 > mostRows {
			return damaged("a run that is cut off")
		}
		body = body[used:]
		run := int(head >> 1)
		packed := head&1 == 1
		bytes := (width + 7) / 8
		if packed {
			bytes, run = run*width, run*8
		}
		if bytes > len(body) {
			return damaged("a run of %d bytes where there are %d", bytes, len(body))
		}
		run = min(run, n) // packed ones may be more, to make up eight
		var err error
		if packed {
			err = unpack(body[:bytes], width, run, add)
		} else {
			err = add(little(body[:bytes]), run)
		}
		if err != nil {
			return err
		}
		body, n = body[bytes:], n-run
	}
	return nil
}

func little(bytes []byte) (v uint32) {
	for i, b := range bytes {
		v |= uint32(b) << (8 * i)
	}
	return v
}

// unpack reads n numbers of width bits, the lowest bit first.
func unpack(bytes []byte, width, n int, add func(uint32, int) error) error {
	var bits uint64
	have := 0
	for range n {
		for have < width {
			bits |= uint64(bytes[0]) << have
			bytes, have = bytes[1:], have+8
		}
		if err := add(uint32(bits&(1<<width-1)), 1); err != nil {
			return err
		}
		bits, have = bits>>width, have-width
	}
	return nil
}
