"""Sources of bytes that count what is read from them."""

from dataclasses import dataclass


@dataclass
class CountingBytes:
    """Bytes in memory, read by range as S3 would answer; it refuses to be asked for nothing, as S3 does."""

    content: bytes
    bytes_read: int = 0
    reads: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < len(self.content), "S3 answers 416 to a range outside the object"
        assert length > 0, "S3 takes a range that ends before it starts for no range at all"
        self.reads += 1
        found = self.content[offset : offset + length]
        self.bytes_read += len(found)
        return found
