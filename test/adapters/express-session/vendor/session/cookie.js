// Not vendored: what the suite calls `../session/cookie`.
'use strict';

module.exports = require('express-session/session/cookie');
