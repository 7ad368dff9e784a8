-- Whose readings are not followed: the streams a person refused, because their machine used another's name.

SET LOCAL search_path = binline;

CREATE INDEX streams_refused ON streams (stream_no) WHERE refused;
